"""The gate follows a JPEG's codes to their end."""

import io
import itertools
from typing import Any

import numpy as np
import pytest
from faults.damaged_jpegs import DAMAGES, codes, damaged
from PIL import Image

from bloodcell import _core

SUBSAMPLINGS = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}
CODED = {
    "as_it_comes": {},
    "optimised": {"optimize": True},
    "restart_after_each": {"restart_marker_blocks": 1},
    "restart_after_seven": {"restart_marker_blocks": 7, "optimize": True},
    "restart_after_a_row": {"restart_marker_rows": 1},
    "stored_as_rgb": {"keep_rgb": True, "subsampling": 0},
    "progressive": {"progressive": True},
}


def sources() -> list[Image.Image]:
    """Noise, the steepest edges, a flat one and sides of every remainder by 8 and by 16."""
    draw = np.random.default_rng(5)
    arrays = [draw.integers(0, 256, (45, 51, 3)), draw.integers(0, 2, (33, 64, 3)) * 255]
    arrays += [np.full((16, 40, 3), 255), np.indices((63, 57)).sum(0)[..., None].repeat(3, -1) * 2]
    return [Image.fromarray(array.astype(np.uint8)) for array in arrays]


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("coded", CODED)
def test_whatever_an_encoder_writes_passes(mode: str, coded: str) -> None:
    if mode != "RGB" and coded == "stored_as_rgb":
        pytest.skip("only RGB is stored as RGB")
    rejected = []
    for source, quality in itertools.product(sources(), [1, 2, 10, 35, 60, 75, 90, 95, 99, 100]):
        for name, subsampling in SUBSAMPLINGS.items():
            out = io.BytesIO()
            options = {"quality": quality, "subsampling": subsampling, **CODED[coded]}
            source.convert(mode).save(out, "JPEG", **options)
            if _core.inspect(out.getvalue()).reason != "":
                rejected.append((source.size, quality, name))
    assert rejected == []


def drawn_cell(seed: int, **options: Any) -> bytes:
    """Blurred colours of 200 px in some 10 KB, with a contrast of its own, so that sizes differ."""
    levels = np.random.default_rng(seed).normal(140, 10 + 4 * (seed % 5), (25, 25, 3)).clip(0, 255)
    out = io.BytesIO()
    picture = Image.fromarray(levels.astype(np.uint8)).resize((200, 200))
    picture.save(out, "JPEG", quality=92, **options)
    return out.getvalue()


@pytest.mark.parametrize("name", [name for name in DAMAGES if "bit" not in name])
@pytest.mark.parametrize("coded", ["as_it_comes", "restart_after_a_row", "progressive"])
def test_holes_drops_and_splices_are_noticed(name: str, coded: str) -> None:
    cells = [drawn_cell(seed, **CODED[coded]) for seed in range(20)]
    assert {_core.inspect(cell).reason for cell in cells} == {""}
    reasons = [_core.inspect(cell).reason for cell in damaged(name, cells, seed=0)]
    assert len(reasons) == 19
    assert set(reasons) <= {"corrupt", "truncated"}


def test_a_progressive_picture_without_its_last_scan_is_corrupt() -> None:
    cell = drawn_cell(0, progressive=True)
    last = codes(cell).start
    assert _core.inspect(cell[: cell.rindex(b"\xff\xc4", 0, last)] + cell[-2:]).reason == "corrupt"


def test_a_flipped_bit_is_another_picture_unless_the_codes_lose_step() -> None:
    """No more can be told of it: a JPEG has no checksum."""
    cells = [drawn_cell(seed) for seed in range(200)]
    rejected = [bool(_core.inspect(cell).reason) for cell in damaged("one bit flipped", cells, 0)]
    assert 0.1 < np.mean(rejected) < 0.9


def test_a_large_batch_is_gated_as_its_images_alone_are() -> None:
    # Several threads follow its codes, where there are several cores.
    images = [drawn_cell(seed) for seed in range(150)]
    images[::7] = damaged("512 bytes dropped", [*images[::7], images[0]], seed=0)
    images[20], images[22] = b"", b"no image"
    buffer, offsets, reasons, _ = _core.read_memory(images)
    alone = [_core.inspect(image).reason for image in images]
    assert [_core.REASONS[reason] for reason in reasons] == alone
    assert alone.count("corrupt") == 22
    for image, reason, begin, end in zip(images, reasons, offsets, offsets[1:], strict=False):
        assert buffer[begin:end].tobytes() == (b"" if reason else image)
