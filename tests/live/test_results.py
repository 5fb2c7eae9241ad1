"""What an ``Engine`` says of a cell is what ``score`` writes of the same bytes."""

import random
from pathlib import Path
from typing import Any

import numpy as np
from helpers.live_cells import as_stored, stored
from helpers.pictures import PICTURES

import bloodcell
from bloodcell._core import digest


def test_rows_and_patients_are_those_of_a_run(run: bloodcell.Run, smears: Path) -> None:
    rows = run.cells().to_pylist()
    random.Random(1).shuffle(rows)
    with bloodcell.Engine() as engine:
        futures = [
            engine.submit(
                (smears / row["path"]).read_bytes(), patient=row["patient"], row=row["row"]
            )
            for row in rows
        ]
        assert [as_stored(future.result()) for future in futures] == [*map(stored, rows)]
        for patient in run.patients.to_pylist():
            assert engine.snapshot(patient["patient"]) == patient
            assert engine.finish(patient["patient"]) == patient


def test_undecodable_bytes_cost_their_own_cell(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cells" / "A"
    folder.mkdir(parents=True)
    kinds = [PICTURES[name].data for name in sorted(PICTURES)]
    rotten = PICTURES["png_rgb"].data.replace(b"IDATx", b"IDAT\0")
    images = [*kinds, b"", b"no image", PICTURES["jpeg_420"].data[:-40], rotten, *kinds]
    for number, image in enumerate(images):
        (folder / f"{number:03}").write_bytes(image)
    run = bloodcell.score(folder.parent, tmp_path / "run", model=tiny, backend="onnxruntime")
    with bloodcell.Engine(tiny, backend="onnxruntime") as engine:
        results = list(engine.stream((image, "A") for image in images))
        assert [*map(as_stored, results)] == [*map(stored, run.cells().to_pylist())]
        assert engine.finish("A") == run.patients.to_pylist()[0]
    reasons = {result.reason for result in results}
    assert {None, "empty", "not_an_image", "truncated", "corrupt", "unsupported"} <= reasons


class OnHost:
    """An object that has DLPack and nothing else."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._array.__dlpack_device__()


def test_pixels_get_what_a_lossless_file_of_them_gets(tiny: Path) -> None:
    with bloodcell.Engine(tiny, backend="onnxruntime") as engine:
        for name in ("png_rgb", "bmp_24", "tiff_rgb_strips"):
            pixels = np.array(PICTURES[name].right)
            not_in_a_row = np.repeat(pixels, 2, axis=1)[:, ::2]
            given = [PICTURES[name].data, pixels, OnHost(pixels), not_in_a_row]
            file, *arrays = (engine.submit(image, patient="A").result() for image in given)
            for result in arrays:
                np.testing.assert_array_equal(result.probabilities, file.probabilities)
                assert (result.status, result.stained) == ("scored", file.stained)
                assert result.digest == digest(pixels) != file.digest


def test_pixels_of_another_size_are_rejected_as_a_file_is(tiny: Path) -> None:
    sides = {(15, 40): "too_small", (40, 0): "too_small", (16, 16): None, (16, 4097): "too_large"}
    with bloodcell.Engine(tiny, backend="onnxruntime") as engine:
        images = [(np.zeros((*side, 3), np.uint8), "A") for side in sides]
        results = list(engine.stream(images))
        assert [result.reason for result in results] == list(sides.values())
        assert [result.status == "scored" for result in results] == [False, False, True, False]
        assert results[0].digest == digest(images[0][0])
        assert engine.finish("A")["rejected"] == 3


def test_what_was_given_may_change_at_once(tiny: Path) -> None:
    encoded, pixels = bytearray(PICTURES["bmp_24"].data), np.array(PICTURES["bmp_24"].right)
    with bloodcell.Engine(tiny, backend="onnxruntime") as engine:
        expected = [
            engine.submit(image, patient="A").result() for image in (bytes(encoded), pixels.copy())
        ]
        futures = [engine.submit(image, patient="A") for image in (encoded, pixels)]
        encoded[:] = bytes(len(encoded))
        pixels[:] = 0
        assert [future.result().digest for future in futures] == [one.digest for one in expected]
