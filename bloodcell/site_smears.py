"""How a site's own smears look, where the model takes most of them for none that it knows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bloodcell.engine.machine import usable_cores
from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.engine.staining import is_stained, looks_of
from bloodcell.errors import BloodcellError
from bloodcell.looks import samples_in
from bloodcell.model import Model
from bloodcell.report.packs import cells_of, images_root
from bloodcell.run import Run
from bloodcell.smears import FEWEST_PATIENTS, fit_smears

_MOST_NAMED = 3


@dataclass(frozen=True)
class SiteSmears:
    """What a site's model is to know of how the site's smears look."""

    strange: int = 0
    """Patients whose smears the model takes for none that it knows."""
    table: dict[str, Any] | None = None
    """``[smears]`` of the site's model; None if the model's own holds."""
    doubt: str | None = None
    """Whose shares the site's model withholds in spite of their labels, and what to do."""


def site_smears(runs: Sequence[Run], patients: set[str], model: Model) -> SiteSmears:
    """Fit ``[smears]`` to the ``patients`` of the ``runs`` if the model takes most for strange.

    Of few strange ones the model's own table stays: it rests on more patients, and one odd smear
    among them would set the limit for all others. Raises what reading the runs does.
    """
    told = [one for run in runs if run.record.unstained for one in run.record.unstained.patients]
    strange = sorted(set(told) & patients)
    if not strange:
        return SiteSmears()
    if 2 * len(strange) <= len(patients):
        return SiteSmears(len(strange), doubt=_doubt(strange, patients))
    if len(patients) < FEWEST_PATIENTS:
        more = f"{FEWEST_PATIENTS} patients are needed to tell it how yours look"
        return SiteSmears(len(strange), doubt=f"{_doubt(strange, patients)}; {more}")
    try:
        table, unlit = _fitted(runs, patients, model.preprocessing)
    except BloodcellError as error:
        why = f"it could not look at their images again ({error}). Calibrate where they are"
        return SiteSmears(len(strange), doubt=f"{_doubt(strange, patients)}; {why}")
    withheld = unlit if table else strange
    return SiteSmears(len(strange), table, _doubt(withheld, patients) if withheld else None)


def _doubt(withheld: list[str], patients: set[str]) -> str:
    names = ", ".join(withheld[:_MOST_NAMED]) + (", ..." if len(withheld) > _MOST_NAMED else "")
    return (
        f"{len(withheld)} of the {len(patients)} patients ({names}) look otherwise than the "
        "smears that the model knows: the new one, too, gives such patients no adjusted share"
    )


def _fitted(
    runs: Sequence[Run], patients: set[str], preprocessing: Preprocessing
) -> tuple[dict[str, Any] | None, list[str]]:
    """The table of the patients' scored images, and who has mostly such as are of no smear."""
    looks, owners, lit = [], [], []
    for run in (one for one in runs if patients & set(one.patients["patient"].to_pylist())):
        names, images = _images_of(run, patients)
        for samples in samples_in(images_root(run), images, preprocessing, usable_cores()):
            looks.append(looks_of(samples))
            lit.append(is_stained(samples))
        owners.append(names)
    owner, is_lit = np.concatenate(owners), np.concatenate(lit)
    unlit = [str(name) for name in np.unique(owner) if is_lit[owner == name].mean() < 0.5]
    known = np.where(is_lit & ~np.isin(owner, unlit), owner, "")
    return fit_smears(np.concatenate(looks), known, made_by="bloodcell calibrate"), unlit


def _images_of(run: Run, patients: set[str]) -> tuple[npt.NDArray[np.str_], pa.Table]:
    """Whose each scored image of the patients is, and where it lies and what it was."""
    rows, owners, asked = [], [], pa.array(list(patients), pa.string())
    for part in run.cells_by_part(["row", "patient", "status"], patients):
        is_asked = pc.and_(
            pc.is_in(part["patient"], value_set=asked), pc.equal(part["status"], "scored")
        )
        own = part.filter(is_asked)
        rows += own["row"].to_pylist()
        owners += own["patient"].to_pylist()
    return np.array(owners, np.str_), cells_of(run, np.array(rows, np.int64))
