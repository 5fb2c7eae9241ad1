"""A run of patients whose names are hostile to some format; one has no leukocytes."""

import csv
from pathlib import Path

import pytest

import bloodcell

HOSTILE = ("=1+1", "A|B^C~D&E\\F", 'Ünal "the\nsecond"', "/../<b>")


@pytest.fixture(scope="session")
def run(adjusted_run: bloodcell.Run) -> bloodcell.Run:
    return adjusted_run


@pytest.fixture(scope="session")
def hostile_run(
    smears: Path, drawn_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> bloodcell.Run:
    folder = tmp_path_factory.mktemp("hostile")
    cells = sorted(smears.glob("phantom-*/*"))[: 4 * len(HOSTILE)]
    with (folder / "cells.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "patient"))
        rows.writerows((cell, HOSTILE[place // 4]) for place, cell in enumerate(cells))
        rows.writerow(("absent.jpg", "none left"))
    return bloodcell.score(folder / "cells.csv", folder / "run", drawn_model)
