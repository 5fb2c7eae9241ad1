"""Scores cells that a scanner has in memory, patient by patient, without a file.

    bloodcell phantom demo --patients 2 --cells 60 --format png
    python examples/score_from_memory.py demo

The scanner is pretended: its pictures are those of a folder with one subfolder a patient, decoded
to pixels here. ``--threads`` cameras hand cells over side by side.
"""

import argparse
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

import bloodcell

DEADLINE_S = 30.0


def main() -> int:
    """Print each patient's share of blasts; 1 if a cell was not scored in time."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", help="a model's name or folder")
    parser.add_argument("--threads", type=int, default=4)
    arguments = parser.parse_args()
    late = 0
    # Opened once, for as long as the scanner runs: loading the network takes a second.
    with (
        bloodcell.Engine(arguments.model) as engine,
        ThreadPoolExecutor(arguments.threads) as cameras,
    ):
        for patient in sorted(path for path in arguments.folder.iterdir() if path.is_dir()):

            def scan(path: Path, patient: str = patient.name) -> Future[bloodcell.CellResult]:
                with Image.open(path) as picture:
                    pixels = np.array(picture.convert("RGB"))
                return engine.submit(pixels, patient=patient, deadline_s=DEADLINE_S)

            futures = list(cameras.map(scan, sorted(patient.iterdir())))
            print(f"{patient.name}: {engine.snapshot(patient.name)['cells']} cells so far")
            statistics = engine.finish(patient.name)
            late += sum(future.result().status == "expired" for future in futures)
            print(line(statistics))
    return 1 if late else 0


def line(patient: dict[str, object]) -> str:
    """What there is to say of a patient."""
    counts = "{patient}: {scored} of {cells} cells scored, {denominator} leukocytes, ".format(
        **patient
    )
    if patient["adjustment"] != "adjusted":
        return counts + f"no adjusted share: {patient['adjustment']}"
    share = "blasts {blast_percent:.1f} % ({blast_percent_low:.1f} to {blast_percent_high:.1f})"
    return counts + share.format(**patient)


if __name__ == "__main__":
    sys.exit(main())
