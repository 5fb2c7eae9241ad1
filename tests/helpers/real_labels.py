"""The labels of real smears, for a script that plays a reader."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

import bloodcell
from bloodcell.review.leukocytes import counted_scheme


class RealLabels:
    """What the label of each cell of a run says, in the classes that the run has."""

    def __init__(self, run: bloodcell.Run, table: Path) -> None:
        self._scheme = counted_scheme(run)
        with table.open(newline="") as file:
            labels = {row["path"]: row["class"] for row in csv.DictReader(file)}
        self._cells = run.cells(["row", "patient", "path", "class"]).to_pylist()
        # The network has no class of artefacts.
        known = {
            path: c if c in self._scheme.codes else "smudge_cells" for path, c in labels.items()
        }
        self._label = {cell["row"]: known[cell["path"]] for cell in self._cells}

    def __call__(self, row: int) -> str:
        return self._label[row]

    def true_percent(self, patient: str) -> float:
        """Blasts in percent of what a review's share is of.

        These are the cells that the network called leukocytes and a reader who saw all of them
        would leave in: by the labels, leukocytes too.
        """
        is_counted = dict(zip(self._scheme.codes, self._scheme.is_leukocyte, strict=True))
        is_blast = dict(zip(self._scheme.codes, self._scheme.is_blast, strict=True))
        called = [
            c["row"] for c in self._cells if c["patient"] == patient and is_counted[c["class"]]
        ]
        own = [label for row in called if is_counted[label := self._label[row]]]
        return 100 * sum(is_blast[label] for label in own) / len(own)

    def covered(self, reviewed: Mapping[str, dict[str, Any]]) -> int:
        """How many reviewed patients' intervals hold the true share; printed one by one."""
        errors, covered = [], 0
        for name, row in reviewed.items():
            true, share = self.true_percent(name), row["blast_percent"]
            low, high = row["blast_percent_low"], row["blast_percent_high"]
            errors.append(abs(share - true))
            covered += low <= true <= high
            click.echo(
                f"{name}: true {true:.1f} %, after {row['cells_looked_at']} glances {share:.1f} "
                f"({low:.1f} to {high:.1f}, by {row['basis']})"
            )
        mean = sum(errors) / len(errors)
        click.echo(f"{covered} of {len(errors)} inside their intervals, mean error {mean:.2f}")
        return covered
