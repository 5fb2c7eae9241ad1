"""Patients whose images are of no smear as the network knows: said in the place of their shares."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bloodcell.bands import BANDS
from bloodcell.run_record import Unstained
from bloodcell.shares import ADJUSTED

LACKS_STAIN = (
    "most cells look otherwise than the stained smears that the network learnt from: "
    "what are these images of?"
)
"""What ``adjustment`` says of such a patient."""


def lacks_stain(
    unstained: npt.NDArray[np.int64], scored: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Whether more than half of a patient's scored cells are unstained, (P,)."""
    return 2 * unstained > scored


def unstained_of(
    unstained: npt.NDArray[np.int64], scored: npt.NDArray[np.int64], names: pa.Array
) -> Unstained | None:
    """What ``run.json`` says; None if every cell may be of a stained smear."""
    if not unstained.any():
        return None
    patients = names.filter(pa.array(lacks_stain(unstained, scored))).to_pylist()
    return Unstained(int(unstained.sum()), tuple(patients))


def without_adjustment(
    columns: dict[str, pa.Array], lacking: npt.NDArray[np.bool_]
) -> dict[str, pa.Array]:
    """``shares.adjusted_columns`` of P patients, without those who are ``lacking`` (P,)."""
    mask = pa.array(lacking)
    nulled = {
        name: pc.if_else(mask, pa.scalar(None, columns[name].type), columns[name])
        for name in (*ADJUSTED, *BANDS, "sufficient")
    }
    return columns | nulled | {"adjustment": pc.if_else(mask, LACKS_STAIN, columns["adjustment"])}


def told(unstained: Unstained | None, most: int) -> Iterator[str]:
    """A line for people about each of the first ``most`` such patients, and one about the rest."""
    patients = unstained.patients if unstained else ()
    for patient in patients[:most]:
        yield f"no share of {patient} means anything: {LACKS_STAIN}"
    if len(patients) > most:
        yield f"nor of {len(patients) - most} more patients: see unstained in run.json"
