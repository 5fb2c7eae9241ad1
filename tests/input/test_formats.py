"""The truth table of pictures: what is scored has the pixels that a viewer shows."""

import io
from pathlib import Path

import numpy as np
import pytest
from helpers.pictures import DALI, PICTURES, PILLOW, SIDE, Decode, decoder
from PIL import Image

from bloodcell import _core

SCORED = [name for name, picture in PICTURES.items() if picture.right is not None]
OUTCOMES = {picture.outcome for picture in PICTURES.values()}
REJECTED = [name for name in PICTURES if name not in SCORED]


@pytest.fixture(scope="module")
def decode_one() -> Decode:
    return decoder(1, 1)


@pytest.mark.parametrize("name", SCORED)
def test_what_is_scored_has_the_pixels_that_a_viewer_shows(name: str, decode_one: Decode) -> None:
    picture = PICTURES[name]
    header = _core.inspect(picture.data)
    assert (header.reason, header.width, header.height) == ("", SIDE, SIDE)
    assert {False: DALI, True: PILLOW}[header.needs_rewriting] == picture.outcome
    assert picture.right is not None
    (pixels,), _ = decode_one([picture.data])
    assert np.abs(pixels - picture.right).max() <= picture.tolerance + 0.01


@pytest.mark.parametrize("name", REJECTED)
def test_what_would_be_scored_wrong_is_rejected_with_the_reason(
    name: str, decode_one: Decode
) -> None:
    pixels, reasons = decode_one([PICTURES[name].data])
    assert (len(pixels), reasons) == (0, [PICTURES[name].outcome])


def test_the_kinds_do_not_disturb_each_other_in_a_batch() -> None:
    pixels, reasons = decoder(len(PICTURES), 2)([picture.data for picture in PICTURES.values()])
    expected = ["" if name in SCORED else PICTURES[name].outcome for name in PICTURES]
    assert reasons == expected
    for name, image in zip(SCORED, pixels, strict=True):
        picture = PICTURES[name]
        assert picture.right is not None
        assert np.abs(image - picture.right).max() <= picture.tolerance + 0.01, name


@pytest.mark.parametrize("fmt", ["GIF", "WEBP", "JPEG2000"])
def test_other_formats_are_unsupported(fmt: str) -> None:
    out = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE)).save(out, fmt)
    assert _core.inspect(out.getvalue()).reason == "unsupported"


def test_the_page_for_users_has_the_same_table() -> None:
    page = Path(__file__).parents[2] / "docs" / "input.md"
    rows = [line.strip("| ").split(" | ") for line in page.read_text().splitlines()]
    told = {f"{row[0]}: {row[1]}": row[2] for row in rows if len(row) == 3}
    told = {kind: outcome for kind, outcome in told.items() if outcome in OUTCOMES}
    assert told == {picture.kind: picture.outcome for picture in PICTURES.values()}
