"""Whose real images look as those that the shipped network learnt from, patient by patient.

Its limit rests on the training patients alone, each held out: these here had no say in it.
"""

from pathlib import Path

import click
import numpy as np
import pytest

from bloodcell.engine.decode import Decoder
from bloodcell.engine.staining import is_stained, looks_of
from bloodcell.model import load_model

pytestmark = pytest.mark.real_data


def is_flagged(paths: list[Path]) -> bool:
    """Of one patient's images, as a run flags the patient; prints the median distance."""
    model, samples = load_model(), []
    assert model.smears
    decoder = Decoder(model.preprocessing, batch_size=64, threads=1)
    for begin in range(0, len(paths), 64):
        images = [np.fromfile(path, np.uint8) for path in paths[begin : begin + 64]]
        samples.append(decoder.decode(images)[1])
    looks = looks_of(np.concatenate(samples))
    distance = float(np.median(model.smears.distances(looks)))
    stained = is_stained(np.concatenate(samples), model.smears)
    click.echo(
        f"{paths[0].parent}: {len(paths)} cells, median distance {distance:.2f} of "
        f"{model.smears.limit:.2f}, {(~stained).mean():.0%} not stained"
    )
    return bool(2 * np.count_nonzero(~stained) > len(stained))


def test_no_patient_of_the_same_laboratory_is_flagged(real_data: Path) -> None:
    patients = sorted((real_data / "aml-apl" / "test").iterdir())
    assert len(patients) == 12
    assert not any(is_flagged(sorted(patient.iterdir())) for patient in patients)


def test_healthy_donors_on_the_same_make_of_scanner_are_not_flagged(real_data: Path) -> None:
    assert not is_flagged(sorted((real_data / "pbc8" / "test").glob("*.jpg")))


def test_cells_of_another_scanner_are_flagged(real_data: Path) -> None:
    assert is_flagged(sorted((real_data / "lmu15").glob("*.tiff")))
