"""The header gate and the batch reader, as Python sees them."""

import io
import itertools
import os
import resource
import struct
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bloodcell import _core
from bloodcell.engine.source import string_buffers

WIDTH, HEIGHT = 24, 18
pattern = np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def encode(fmt: str, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pattern).save(out, fmt, **options)
    return out.getvalue()


def encode_tiff(**options: Any) -> bytes:
    out = io.BytesIO()
    big = options.pop("bigtiff", False)
    with tifffile.TiffWriter(out, bigtiff=big) as writer:
        writer.write(pattern, photometric="rgb", metadata=None, **options)
    return out.getvalue()


thumbnail = Image.Exif()
thumbnail[0x927C] = encode("JPEG")  # a whole JPEG, with its EOI, inside the EXIF segment

IMAGES = {
    "jpeg": encode("JPEG"),
    "jpeg_progressive": encode("JPEG", progressive=True),
    "jpeg_with_thumbnail": encode("JPEG", exif=thumbnail),
    "png": encode("PNG"),
    "bmp": encode("BMP"),
    "tiff_directory_last": encode("TIFF", compression="tiff_lzw"),
    "tiff_directory_first": encode_tiff(),
    "tiff_strips": encode_tiff(rowsperstrip=5, compression="zlib"),
    "tiff_tiles": encode_tiff(tile=(16, 16)),
    "bigtiff": encode_tiff(bigtiff=True),
}

# All but none of the file itself: a header cannot be missing, unreadable or crash a decoder.
HEADER_REASONS = {"", "empty", "not_an_image", "unsupported", "truncated", "corrupt"}
HEADER_REASONS |= {"too_small", "too_large"}

images = pytest.mark.parametrize("name", IMAGES)


@images
def test_size_and_format_agree_with_pillow(name: str) -> None:
    header = _core.inspect(IMAGES[name])
    with Image.open(io.BytesIO(IMAGES[name])) as image:
        assert image.format is not None
        expected = ("", image.format.lower(), *image.size)
    assert (header.reason, header.format, header.width, header.height) == expected


@images
def test_no_strict_prefix_passes(name: str) -> None:
    data = IMAGES[name]
    for size in range(len(data)):
        assert _core.inspect(data[:size]).reason != "", size


@images
def test_the_last_cuts_are_called_truncated(name: str) -> None:
    for lost in (1, 2, len(IMAGES[name]) // 3):
        assert _core.inspect(IMAGES[name][:-lost]).reason == "truncated"


@images
@pytest.mark.parametrize("tail", [b"\0", b"\r\n", b"junk" * 99])
def test_trailing_bytes_do_no_harm(name: str, tail: bytes) -> None:
    assert _core.inspect(IMAGES[name] + tail).reason == ""


@given(st.sampled_from(sorted(IMAGES)), st.data())
@settings(max_examples=1000, deadline=None)
def test_flipped_bytes_never_crash(name: str, draw: st.DataObject) -> None:
    data = bytearray(IMAGES[name])
    # Most flips within the first bytes, where the headers are.
    places = st.one_of(st.integers(0, 200), st.integers(0, len(data) - 1))
    for place, value in draw.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=6)):
        data[place] = value
    assert _core.inspect(data).reason in HEADER_REASONS


MAGICS = [b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0"]


@given(st.sampled_from(MAGICS), st.binary(max_size=400))
@settings(max_examples=1000, deadline=None)
def test_any_bytes_have_a_known_reason(magic: bytes, rest: bytes) -> None:
    header = _core.inspect(magic + rest)
    assert header.reason in HEADER_REASONS
    assert header.format in {"unknown", "jpeg", "tiff", "png", "bmp"}


@pytest.mark.parametrize("name", ["jpeg", "png", "bmp", "tiff_directory_first"])
def test_bomb_is_too_large_even_if_cut(name: str) -> None:
    header = bytearray(encode("BMP")[:54])
    if name == "bmp":
        header[18:26] = struct.pack("<II", 70_000, 70_000)
    else:
        fmt = {"jpeg": "JPEG", "png": "PNG", "tiff_directory_first": "TIFF"}[name]
        out = io.BytesIO()
        Image.new("1", (60_000, 20)).save(out, fmt)
        data = out.getvalue()
        header = bytearray(data[: data.index(b"\xff\xda")] if fmt == "JPEG" else data[:120])
    assert _core.inspect(header).reason == "too_large"


def test_limits_are_in_pixels() -> None:
    jpeg = IMAGES["jpeg"]
    assert _core.inspect(jpeg, min_side_px=HEIGHT, max_side_px=WIDTH).reason == ""
    assert _core.inspect(jpeg, min_side_px=HEIGHT + 1).reason == "too_small"
    assert _core.inspect(jpeg, max_side_px=WIDTH - 1).reason == "too_large"


def test_inspect_takes_any_contiguous_bytes() -> None:
    data = IMAGES["png"]
    for same in (bytearray(data), memoryview(data), np.frombuffer(data, np.uint8)):
        assert _core.inspect(same).reason == ""
    with pytest.raises(BufferError):
        _core.inspect(memoryview(data)[::2])
    with pytest.raises(TypeError, match="bytes-like"):
        _core.inspect("text")  # type: ignore[arg-type]


def test_reasons_are_those_of_the_contract() -> None:
    words = "missing unreadable empty not_an_image unsupported truncated corrupt too_small"
    expected = ("", *words.split(), "too_large", "crashed_decoder")
    assert expected == _core.REASONS


# --- files


Batch = tuple[list[bytes], list[str]]


def read(root: Path, names: list[str]) -> Batch:
    """Read through an Arrow column, as the engine does; returns bytes and reasons."""
    column = pa.array(names, pa.large_string())
    _, offsets, text = column.buffers()
    paths = np.frombuffer(offsets, np.int64, len(names) + 1)
    letters = np.frombuffer(text or b"", np.uint8)
    buffer, ends, reasons, digests = _core.read_files(str(root), paths, letters)
    kinds = [str(array.dtype) for array in (buffer, ends, reasons, digests)]
    assert kinds == ["uint8", "int64", "uint8", "uint8"]
    assert digests.shape == (len(names), 16)
    assert ends[0] == 0
    assert ends[-1] == len(buffer)
    encoded = [buffer[a:b].tobytes() for a, b in itertools.pairwise(ends)]
    return encoded, [_core.REASONS[reason] for reason in reasons]


def test_good_and_bad_files_side_by_side(tmp_path: Path) -> None:
    good = IMAGES["jpeg"]
    (tmp_path / "Zäpfchen 血球").mkdir()
    (tmp_path / "Zäpfchen 血球" / "Ω\n.jpg").write_bytes(good)
    (tmp_path / "cut.jpg").write_bytes(good[:-2])
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "note.jpg").write_text("not an image")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "dangling.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    os.mkfifo(tmp_path / "fifo.jpg")
    expected = {
        "Zäpfchen 血球/Ω\n.jpg": "",
        "gone.jpg": "missing",
        "cut.jpg/below.jpg": "missing",
        "dangling.jpg": "missing",
        "": "missing",
        "cut.jpg\0.jpg": "missing",
        "cut.jpg": "truncated",
        "empty.jpg": "empty",
        "note.jpg": "not_an_image",
        "folder.jpg": "unreadable",
        "loop.jpg": "unreadable",
        "fifo.jpg": "unreadable",
        "n" * 5000: "unreadable",
        str(tmp_path / "Zäpfchen 血球" / "Ω\n.jpg"): "",
    }
    encoded, reasons = read(tmp_path, list(expected))
    assert dict(zip(expected, reasons, strict=True)) == expected
    assert encoded == [good if reason == "" else b"" for reason in reasons]


def test_no_files(tmp_path: Path) -> None:
    assert read(tmp_path, []) == ([], [])


def test_a_shortage_of_descriptors_is_an_error_and_no_rejects(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(IMAGES["jpeg"])
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    offsets, text = np.array([0, 5]), np.frombuffer(b"a.jpg", np.uint8)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, usual[1]))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            _core.read_files(str(tmp_path), offsets, text)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, usual)


def test_the_arrays_own_their_memory(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(IMAGES["jpeg"])
    path = np.frombuffer(b"a.jpg", np.uint8)
    buffer, ends, reasons, digests = _core.read_files(str(tmp_path), np.array([0, 5]), path)
    del ends, reasons, path
    assert buffer.base is not None
    assert digests.tobytes() == _core.digest(buffer)
    assert buffer.tobytes() == IMAGES["jpeg"]


# --- memory


def test_images_in_memory_are_taken_as_files_are(tmp_path: Path) -> None:
    good = list(IMAGES.values())
    images = [good[0], b"", b"note", good[1][:-9], *good[2:], bytes(_core.LARGEST_SIDE_PX)]
    for number, image in enumerate(images):
        (tmp_path / str(number)).write_bytes(image)
    column = pa.array([str(number) for number in range(len(images))], pa.large_string())
    of_files = _core.read_files(str(tmp_path), *string_buffers(column))
    for ours, theirs in zip(_core.read_memory(images), of_files, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_what_is_no_bytes_is_refused() -> None:
    for wrong in ([bytearray(b"a")], [np.zeros(3, np.uint8)], ["text"]):
        with pytest.raises(TypeError, match="images: expected bytes, found"):
            _core.read_memory(wrong)  # type: ignore[arg-type]
    buffer, offsets, *_ = _core.read_memory([])
    assert (len(buffer), offsets.tolist()) == (0, [0])


def test_gate_judges_each_image_of_a_buffer() -> None:
    parts = [IMAGES["jpeg"], b"", IMAGES["png"][:-4], b"text", IMAGES["bmp"]]
    offsets = np.cumsum([0, *map(len, parts)])
    reasons = _core.gate(np.frombuffer(b"".join(parts), np.uint8), offsets)
    words = [_core.REASONS[reason] for reason in reasons]
    assert words == ["", "empty", "truncated", "not_an_image", ""]


def test_traits_are_what_the_headers_say() -> None:
    deep = io.BytesIO()
    tifffile.imwrite(deep, pattern.astype(np.uint16), photometric="rgb", metadata=None)
    planes = io.BytesIO()
    tifffile.imwrite(planes, np.moveaxis(pattern, -1, 0), photometric="rgb", metadata=None)
    parts = [IMAGES["jpeg"], deep.getvalue(), b"", planes.getvalue()]
    offsets = np.cumsum([0, *map(len, parts)])
    traits = _core.traits(np.frombuffer(b"".join(parts), np.uint8), offsets)
    assert traits.tolist() == [0, _core.IS_DEEP, 0, _core.NEEDS_REWRITING]
    headers = [_core.inspect(part) for part in parts]
    assert [header.needs_rewriting for header in headers] == [False, False, False, True]
    assert [header.is_deep for header in headers] == [False, True, False, False]


Call = Callable[[npt.NDArray[Any], npt.NDArray[Any]], object]


@pytest.mark.parametrize(
    "call",
    [_core.gate, _core.traits, lambda data, offsets: _core.read_files("/", offsets, data)],
    ids=["gate", "traits", "read_files"],
)
@pytest.mark.parametrize(
    ("data", "offsets", "error", "message"),
    [
        (np.zeros(4, np.int8), [0, 4], TypeError, "expected dtype uint8, found int8"),
        (np.zeros((2, 2), np.uint8), [0, 4], ValueError, r"expected shape \(N,\), found \(2, 2\)"),
        (np.zeros(8, np.uint8)[::2], [0, 4], ValueError, "expected a C-contiguous, aligned array"),
        (np.zeros(4, np.uint8), [0.0, 4.0], TypeError, "expected dtype int64, found float64"),
        (np.zeros(4, np.uint8), np.zeros(0, np.int64), ValueError, r"N \+ 1 offsets, found none"),
        (np.zeros(4, np.uint8), [-1, 4], ValueError, "offsets from 0 on, found -1"),
        (np.zeros(4, np.uint8), [0, 3, 2], ValueError, "ascending offsets, found 2 behind 3"),
        (np.zeros(4, np.uint8), [0, 5], ValueError, "offsets up to 4, found 5"),
    ],
)
def test_wrong_arrays_are_refused(
    call: Call, data: npt.NDArray[Any], offsets: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call(data, np.asarray(offsets))


# --- real images


@pytest.mark.real_data
def test_all_real_images_pass_in_microseconds(real_data: Path) -> None:
    paths = sorted(str(p) for end in ("jpg", "tiff") for p in real_data.rglob(f"*.{end}"))
    assert len(paths) > 1000
    reasons = read(real_data, paths[:2000])[1]  # so that the disk is not what is timed
    assert min(timeit.repeat(lambda: read(real_data, paths[:2000]), number=1)) / 2000 < 1e-3
    for begin in range(2000, len(paths), 2000):
        reasons += read(real_data, paths[begin : begin + 2000])[1]
    rejected = {path: why for path, why in zip(paths, reasons, strict=True) if why}
    assert rejected == {}
