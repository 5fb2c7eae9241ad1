"""Images that Pillow rewrites for DALI."""

import io

import numpy as np
import pytest
from helpers.pictures import PICTURES, PILLOW, decoder, gated
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin

from bloodcell.engine.batches import EncodedBatch
from bloodcell.engine.decode import Decoder
from bloodcell.engine.device_decode import DeviceDecoder
from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.engine.rewriting import passed_images, rewritten, unpacks

REWRITTEN = [name for name, picture in PICTURES.items() if picture.outcome == PILLOW]
PLAIN = PICTURES["png_rgb"].data
# Arithmetic codes for a frame with too many blocks at once: the gate sees no fault.
BROKEN = PICTURES["jpeg_arithmetic"].data.replace(b"\3\1\x22\0", b"\3\1\x44\0")


def test_only_what_dali_gets_wrong_is_rewritten() -> None:
    batch = gated([PLAIN, PICTURES["tiff_planes_one_strip"].data, b"no image", PLAIN])
    images = passed_images(batch)
    np.testing.assert_array_equal(images.places, [0, 1, 3])
    assert [bytes(image[:2]) for image in images.encoded] == [b"\x89P", b"BM", b"\x89P"]
    assert np.shares_memory(images.encoded[0], batch.buffer)


def test_what_pillow_cannot_read_is_corrupt_and_alone() -> None:
    pixels, reasons = decoder(3, 1)([PLAIN, BROKEN, PLAIN])
    assert reasons == ["", "corrupt", ""]
    np.testing.assert_array_equal(pixels[0], pixels[1])


def packed(compression: str) -> tuple[bytes, int]:
    """A TIFF of noise in one strip, and how many bytes this takes; it begins at byte 8."""
    noise = np.random.default_rng(0).binomial(20, 0.3, (32, 32, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "TIFF", compression=compression)
    with Image.open(file) as image:
        assert isinstance(image, TiffImagePlugin.TiffImageFile)
        first, size = (image.tag_v2[tag][0] for tag in (273, 279))
    assert first == 8
    return file.getvalue(), size


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate", "zstd", "packbits"])
def test_what_is_packed_and_broken_is_corrupt_and_alone(compression: str) -> None:
    whole, size = packed(compression)
    broken = bytearray(whole)
    broken[8 + size // 2 : 8 + size // 2 + 64] = bytes(64)
    pixels, reasons = decoder(3, 1)([whole, bytes(broken), whole])
    assert reasons == ["", "corrupt", ""]
    np.testing.assert_array_equal(pixels[0], pixels[1])


def test_any_bit_of_deflate_that_is_changed_is_noticed() -> None:
    whole, size = packed("tiff_deflate")
    assert unpacks(np.frombuffer(whole, np.uint8))
    with Image.open(io.BytesIO(whole)) as picture:
        right = np.asarray(picture)
    unnoticed = 0
    for place in range(8, 8 + size):
        broken = np.frombuffer(whole, np.uint8).copy()
        broken[place] ^= 1 << place % 8
        if unpacks(broken):
            with Image.open(io.BytesIO(broken.tobytes())) as picture:
                np.testing.assert_array_equal(picture, right)
            unnoticed += 1
    assert unnoticed <= 1  # behind the last code of the stream are bits that mean nothing


def test_a_batch_is_left_as_it_was() -> None:
    batch = gated([BROKEN])
    assert passed_images(batch).reasons.any()
    assert not batch.reasons.any()


def test_sixteen_bits_that_are_not_used_cost_their_own_cell_alone() -> None:
    right, dim = PICTURES["png_rgb_16"], PICTURES["png_rgb_12"]
    pixels, reasons = decoder(4, 1)([dim.data, right.data, PLAIN, dim.data])
    assert reasons == ["unsupported", "", "", "unsupported"]
    assert right.right is not None
    assert np.abs(pixels[0] - right.right).max() < 0.01


def test_on_a_gpu_a_rewritten_jpeg_is_the_hosts() -> None:
    preprocessing = Preprocessing(8, 1.0, "linear", True, (0.0,) * 3, (1.0,) * 3)
    host = Decoder(preprocessing, batch_size=4, threads=1)

    def no_gpu(_encoded: object) -> None:
        raise AssertionError("no JPEG here is the GPU's")

    names = ["jpeg_stray_text_before_scan", "png_rgb_10", "png_rgb", "tiff_gray_alpha_tiles"]
    batch: EncodedBatch = gated([PICTURES[name].data for name in names])
    expected, decoded = (
        host.decode_batch(batch),
        DeviceDecoder(no_gpu, host, no_gpu).decode_batch(batch),
    )
    np.testing.assert_array_equal(decoded.reasons, expected.reasons)
    (part,) = decoded.parts
    np.testing.assert_array_equal(part.places, [0, 1, 2])
    np.testing.assert_array_equal(part.pixels, expected.pixels)


@pytest.mark.filterwarnings("ignore")
@given(st.sampled_from(REWRITTEN), st.data())
@settings(max_examples=300, deadline=None)
def test_any_bytes_give_a_picture_or_nothing(name: str, draw: st.DataObject) -> None:
    data = bytearray(PICTURES[name].data)
    places = st.one_of(st.integers(0, 200), st.integers(0, len(data) - 1))
    for place, value in draw.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=6)):
        data[min(place, len(data) - 1)] = value
    bmp = rewritten(np.frombuffer(data[: draw.draw(st.integers(1, len(data)))], np.uint8))
    if bmp is not None:
        assert Image.open(io.BytesIO(bmp.tobytes())).mode == "RGB"
