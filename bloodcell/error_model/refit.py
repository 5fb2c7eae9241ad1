"""Fit a model folder's error model anew from its held-out cells.

usage: python -m bloodcell.error_model.refit FOLDER
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import tomli_w

from bloodcell.error_model.fit import fit_error_model
from bloodcell.errors import BloodcellError, ModelError
from bloodcell.files import write_whole
from bloodcell.scheme import Scheme, scheme_of_card
from bloodcell.toml import read_toml

HELD_OUT = "held_out.parquet"


@dataclass(frozen=True)
class HeldOut:
    """The cells of ``held_out.parquet``, each by a network that never saw its patient; all (N,)."""

    patient: npt.NDArray[np.str_]
    label: npt.NDArray[np.str_]
    called: npt.NDArray[np.str_]
    blast_probability: npt.NDArray[np.float64]

    @staticmethod
    def read(folder: Path) -> "HeldOut":
        """Those of a model folder; ModelError if it has none."""
        path = folder / HELD_OUT
        if not path.is_file():
            raise ModelError(f"{path} is not there: only a folder that training wrote has it")
        table = pq.read_table(path)
        patient, label, called = (
            np.array(table[name].to_pylist(), np.str_) for name in ("patient", "label", "called")
        )
        probability = table["blast_probability"].to_numpy().astype(np.float64)
        return HeldOut(patient, label, called, probability)

    def is_blast(self, scheme: Scheme) -> npt.NDArray[np.bool_]:
        """By the labels."""
        return np.isin(self.label, np.array(scheme.codes)[scheme.is_blast])

    def is_leukocyte(self, scheme: Scheme) -> npt.NDArray[np.bool_]:
        """By what the network called the cells."""
        return np.isin(self.called, np.array(scheme.codes)[scheme.is_leukocyte])


def refit(folder: Path) -> None:
    """Replace ``[error_model]`` in the folder's card; ModelError if there is none to replace."""
    path = folder / "card.toml"
    card = read_toml(path, ModelError)
    if "error_model" not in card:
        raise ModelError(f"{path} has no error model to fit anew")
    scheme, cells, was = scheme_of_card(folder, card), HeldOut.read(folder), card["error_model"]
    card["error_model"] = fit_error_model(
        cells.blast_probability,
        cells.is_blast(scheme),
        cells.is_leukocyte(scheme),
        cells.patient,
        held_out=was["held_out"],
    ).to_card()
    write_whole(path, lambda beside: beside.write_text(tomli_w.dumps(card), "utf-8"))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        refit(Path(sys.argv[1]))
    except (BloodcellError, OSError) as error:
        sys.exit(f"error: {error}")
