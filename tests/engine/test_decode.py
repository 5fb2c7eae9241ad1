"""Batches in which some images cannot be decoded."""

import numpy as np
import pytest
from helpers.pictures import PICTURES
from hypothesis import given, settings
from hypothesis import strategies as st

from bloodcell.engine.decode import Decoder, Encoded, Graph, UndecodableError, decoded_groups
from bloodcell.engine.preprocessing import Preprocessing

PREPROCESSING = Preprocessing(8, 1.0, "linear", True, (0.0,) * 3, (1.0,) * 3)
GOOD = [
    np.frombuffer(PICTURES[name].data, np.uint8)
    for name in ("jpeg_420", "png_rgb", "tiff_rgb_strips", "bmp_24")
]
# The gate sees no fault in any: the tables of one are missing, the pixels of the other rotten.
BAD = [
    np.frombuffer(PICTURES["jpeg_420"].data.replace(b"\xff\xdb", b"\xff\xe9"), np.uint8),
    np.frombuffer(PICTURES["png_rgb"].data.replace(b"IDATx", b"IDAT\0"), np.uint8),
]


def numbered(count: int) -> Encoded:
    return [np.array([place], np.uint8) for place in range(count)]


class Decoding:
    """Refuses ``bad`` images and names one of them, or as ``naming`` says; counts."""

    def __init__(self, bad: set[int], naming: int | str | None = "right") -> None:
        self.bad, self.naming, self.runs = bad, naming, []

    def __call__(self, encoded: Encoded) -> list[int]:
        images = [int(image[0]) for image in encoded]
        self.runs.append(images)
        places = [place for place, image in enumerate(images) if image in self.bad]
        if places:
            raise UndecodableError(places[-1] if self.naming == "right" else self.naming)
        return images


def decoded(decoding: Decoding, count: int) -> list[int]:
    images = []
    for places, group in decoded_groups(decoding, numbered(count)):
        assert places.tolist() == group == sorted(group)
        images += group
    return sorted(images)


def test_the_image_that_is_named_is_tried_alone_and_the_rest_together() -> None:
    decoding = Decoding({13})
    assert decoded(decoding, 32) == [*range(13), *range(14, 32)]
    assert decoding.runs == [[*range(32)], [13], [*range(13), *range(14, 32)]]


@given(st.integers(0, 40), st.sets(st.integers(0, 39)), st.one_of(st.none(), st.integers(0, 99)))
def test_whatever_is_named_all_that_can_be_decoded_is(
    count: int, bad: set[int], named: int | None
) -> None:
    good = [image for image in range(count) if image not in bad]
    assert decoded(Decoding(bad, named), count) == good
    assert decoded(Decoding(bad), count) == good


@pytest.mark.parametrize("named", ["right", None])
def test_a_batch_of_nothing_but_undecodable_images_takes_few_trials(named: str | None) -> None:
    decoding = Decoding(set(range(256)), named)
    assert decoded(decoding, 256) == []
    assert sum(map(len, decoding.runs)) <= 256 * 2 * 9


def test_whole_batches_are_decoded_again_when_none_has_failed_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[int] = []
    run = Graph.run

    def noting(self: Graph, encoded: Encoded, stream: object = None) -> object:
        sizes.append(len(encoded))
        return run(self, encoded, stream)

    monkeypatch.setattr(Graph, "run", noting)
    decoder = Decoder(PREPROCESSING, batch_size=32, threads=1)
    decoder.decode([GOOD[0]] * 32)
    decoder.decode([GOOD[0]] * 31 + [BAD[0]])
    for _ in range(1024 // 32 + 1):
        decoder.decode([GOOD[0]] * 32)
    assert sizes == [32, 32, 1, 31, *[8] * (1024 // 8), 32]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from([*range(len(GOOD)), *range(-len(BAD), 0)]), max_size=9))
def test_dali_names_what_it_cannot_decode_and_the_others_have_the_pixels_they_have_alone(
    images: list[int],
) -> None:
    decoder = Decoder(PREPROCESSING, batch_size=9, threads=1)
    pixels, _, was_decoded = decoder.decode([(GOOD + BAD)[image] for image in images])
    assert was_decoded.tolist() == [image >= 0 for image in images]
    alone = [decoder.decode([GOOD[image]])[0] for image in images if image >= 0]
    np.testing.assert_array_equal(pixels, np.concatenate([np.empty((0, 3, 8, 8)), *alone]))
