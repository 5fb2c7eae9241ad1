"""What the pages of a report say, from the run's own tables: no number is made here twice."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from bloodcell import repeated_images, unstained
from bloodcell._core import REASONS
from bloodcell.report.counting import cells_counted_by_hand, of_blood
from bloodcell.report.gallery import Cells, Survey
from bloodcell.report.packs import page_name
from bloodcell.report.readings import readings
from bloodcell.report.reviews import Reviews
from bloodcell.review.leukocytes import counted_scheme, log_odds_in_review, stratum_of
from bloodcell.review.plan import DECISION_LINES
from bloodcell.run import Run
from bloodcell.scheme import CellClass
from bloodcell.shares import BANDS, IS_ADJUSTED

_DENOMINATORS = {"blood": "leukocytes", "marrow": "nucleated cells, erythroid ones included"}
_LEUKOCYTE = ("blast", "leukocyte")
_MOST_DOUBTS = 100
"""Named on the overview, of each kind; ``run.json`` and ``cells/`` have the rest."""


@dataclass(frozen=True)
class Estimate:
    """A share of blasts in percent; all None where none can be given."""

    share: float | None
    low: float | None
    high: float | None

    @property
    def is_given(self) -> bool:
        """Whether there is one."""
        return self.share is not None

    @property
    def lines_inside(self) -> list[float]:
        """Which of 5, 10 and 20 % lie inside the interval."""
        if self.low is None or self.high is None:
            return []
        return [line for line in DECISION_LINES if self.low < line < self.high]


class Content:
    """What the pages of one run say, or of those of its patients that ``run`` has.

    These then have ``places`` among the ``patients`` of the whole run.
    """

    def __init__(
        self,
        run: Run,
        reviews: Reviews,
        survey: Survey,
        places: Sequence[int] | None = None,
        patients: int | None = None,
    ) -> None:
        self._run, self._survey = run, survey
        self.reviews = reviews
        self.scheme = counted_scheme(run)
        self._letters = {code: letter for letter, code in self.scheme.letters}
        self.rows: list[dict[str, Any]] = run.patients.to_pylist()
        self._places = range(len(self.rows)) if places is None else places
        self._last = (len(self.rows) if patients is None else patients) - 1
        reviewed = [_estimate(self.reviews.of(row["patient"])) for row in self.rows]
        self._best = [
            one if one.is_given else _estimate(row)
            for one, row in zip(reviewed, self.rows, strict=True)
        ]
        self._blood = self._of_blood(reviewed)
        of_blood = [
            self._blood[place] if one.is_given else self._best[place]
            for place, one in enumerate(reviewed)
        ]
        self._by_hand = cells_counted_by_hand(*_shares(of_blood))

    def _of_blood(self, reviewed: list[Estimate]) -> list[Estimate]:
        """The same of the blood; a share without a review is of it already."""
        cells = [self._leukocytes_reviewed(row["patient"]) for row in self.rows]
        share, low, high = _shares(reviewed)
        ends = of_blood(share, low, high, np.array(cells, np.int64))
        return [
            Estimate(one.share, 100 * float(first), 100 * float(last)) if one.is_given else one
            for one, first, last in zip(reviewed, *ends, strict=True)
        ]

    def _leukocytes_reviewed(self, patient: str) -> int:
        """Cells that count as leukocytes after the review."""
        review = self.reviews.of(patient)
        return sum(review.get(f"n_{one.code}", 0) for one in self._counted)

    @cached_property
    def shared(self) -> dict[str, Any]:
        """What every page says."""
        record, job = self._run.record, self._run.record.job
        return {
            "record": record,
            "job": job,
            "denominator": _DENOMINATORS[job.profile],
            "rests_on": None if record.why_not_adjusted else record.error_model,
            "bands": readings(job.profile),
            "lines": DECISION_LINES,
            "knows_equivalents": any("aml" in c.blast_equivalent for c in self.scheme.classes),
            "run_identity": self.reviews.run_identity,
        }

    def overview(self) -> dict[str, Any]:
        """What ``index.html`` says."""
        patients = [self._summary(place) for place in range(len(self.rows))]
        totals = {
            name: sum(row[name] for row in self.rows)
            for name in ("cells", "scored", "rejected", "denominator", "blasts_counted")
        }
        not_adjusted: dict[str, int] = {}
        for row in self.rows:
            if row["adjustment"] != IS_ADJUSTED:
                not_adjusted[row["adjustment"]] = not_adjusted.get(row["adjustment"], 0) + 1
        data = {
            "run": self.reviews.run_identity,
            "plan": self.reviews.plan_identity,
            "patients": [row["patient"] for row in self.rows],
        }
        return {
            "counts": self._run.counts,
            "patients": patients,
            "totals": totals,
            "not_adjusted": not_adjusted,
            "statuses": [summary["status"] for summary in patients],
            "doubts": [
                *repeated_images.told(self._run.record.repeated_images, _MOST_DOUBTS),
                *unstained.told(self._run.record.unstained, _MOST_DOUBTS),
            ],
            "evaluation": self._evaluation(),
            "data": data,
        }

    def patient(self, place: int, paths: dict[int, str]) -> dict[str, Any]:
        """What the page of the patient at ``place`` says; ``paths`` of the cells that it shows."""
        row, cells = self.rows[place], self._survey.of(place)
        rejected, number = self._survey.rejected[place], self._places[place]
        is_rejected = cells["class_index"] == len(self.scheme.codes)
        return self._summary(place) | {
            "before": page_name(number - 1) if number else None,
            "after": page_name(number + 1) if number < self._last else None,
            "naive": _estimate(row, "blast_percent_naive"),
            "differential": self._differential(place, self._counted),
            "outside": self._differential(place, self._outside),
            "rejected_by_reason": {
                REASONS[i]: int(n) for i, n in enumerate(rejected) if n and REASONS[i]
            },
            "rejected_cells": [
                {"row": cell["row"], "path": paths[cell["row"]], "reason": REASONS[cell["reason"]]}
                for cell in cells[is_rejected]
            ],
            "shown": int((~is_rejected).sum()),
            "data": self._data(place, cells[~is_rejected], paths),
        }

    def _summary(self, place: int) -> dict[str, Any]:
        """What overview and page say of a patient."""
        row = self.rows[place]
        review = self.reviews.of(row["patient"])
        adjusted, reviewed = _estimate(row), _estimate(review)
        # Bands of the adjusted share would contradict a reviewed one.
        bands = review if reviewed.is_given else row
        chances = [bands[name] for name in BANDS if bands.get(name) is not None]
        planned = self.reviews.plan_of(row["patient"])
        waiting = len(planned) - self.reviews.answered(planned)
        status = review.get("status", "preliminary")
        unidentified = int(self._survey.unidentified[place].sum())
        return {
            "row": row,
            "name": row["patient"],
            "page": page_name(self._places[place]),
            "is_adjusted": row["adjustment"] == IS_ADJUSTED,
            "lacks_stain": bool(unstained.lacks_stain(row["unstained"], row["scored"])),
            "adjusted": adjusted,
            "reviewed": reviewed,
            "blood": self._blood[place],
            "leukocytes_reviewed": self._leukocytes_reviewed(row["patient"]),
            "review": review,
            "estimate": self._best[place],
            "status": status,
            "chances": chances,
            "band": chances.index(max(chances)) if chances else None,
            "no_band": "none given after review" if reviewed.is_given else row["adjustment"],
            "by_hand": int(self._by_hand[place]),
            "rejected_percent": 100 * row["rejected"] / row["cells"],
            "unidentified": unidentified,
            "unidentified_percent": _percent(unidentified, row["scored"]),
            "planned": len(planned),
            "waiting": waiting,
            "look_first": 0 if status == "final" else waiting,
            "disputed": len(self.reviews.disputed(row["patient"])),
        }

    @cached_property
    def _counted(self) -> list[CellClass]:
        """Classes in the denominator, in the order of a differential."""
        is_counted = self.scheme.is_leukocyte
        order = self.scheme.differential_order
        return [self.scheme.classes[place] for place in order if is_counted[place]]

    @cached_property
    def _outside(self) -> list[CellClass]:
        """The others."""
        is_counted = self.scheme.is_leukocyte
        order = self.scheme.differential_order
        return [self.scheme.classes[place] for place in order if not is_counted[place]]

    @cached_property
    def _class_places(self) -> npt.NDArray[np.int64]:
        """Where the script of a page has each of the network's classes."""
        codes = [one.code for one in self._counted + self._outside]
        return np.array([codes.index(code) for code in self.scheme.codes])

    def _differential(self, place: int, classes: list[CellClass]) -> list[dict[str, Any]]:
        """What the page says of each of ``classes``."""
        row, unidentified = self.rows[place], self._survey.unidentified[place]
        review = self.reviews.of(row["patient"])
        leukocytes = sum(row[f"n_{c.code}"] for c in self.scheme.classes if c.role in _LEUKOCYTE)
        return [
            {
                "code": one.code,
                "name": one.name,
                "is_blast": one.role == "blast",
                "column": column,
                "n": row[column],
                "n_reviewed": review.get(column),
                "unidentified": int(unidentified[self.scheme.codes.index(one.code)]),
                "percent": _percent(row[column], row["denominator"]),
                "per_100": _percent(row[column], leukocytes),
            }
            for one in classes
            for column in [f"n_{one.code}"]
        ]

    def _data(self, place: int, cells: Cells, paths: dict[int, str]) -> dict[str, Any]:
        """What the page's script works with."""
        name = self.rows[place]["patient"]
        order = {planned["row"]: planned["order"] for planned in self.reviews.plan_of(name)}
        strata = stratum_of(log_odds_in_review(cells["blast_probability"]))
        return {
            "run": self.reviews.run_identity,
            "plan": self.reviews.plan_identity,
            "patient": name,
            "page": page_name(self._places[place]),
            "classes": [
                {
                    "code": c.code,
                    "name": c.name,
                    "letter": self._letters[c.code],
                    "blast": c.role == "blast",
                    "counted": is_counted,
                    "n": self.rows[place][f"n_{c.code}"],
                }
                for classes, is_counted in ((self._counted, True), (self._outside, False))
                for c in classes
            ],
            "strata": self._survey.strata[place].tolist(),
            "cells": [
                {
                    "row": row,
                    "class": class_place,
                    "blast": round(blast, 4),
                    "stratum": stratum,
                    "order": order.get(row, 0),
                    "path": paths[row],
                    "unidentified": unidentified,
                }
                for row, class_place, blast, stratum, unidentified in zip(
                    cells["row"].tolist(),
                    self._class_places[cells["class_index"]].tolist(),
                    cells["blast_probability"].tolist(),
                    strata.tolist(),
                    cells["is_unidentified"].tolist(),
                    strict=True,
                )
            ],
            "applied": self.reviews.answers_of(name),
            "disputed": self.reviews.disputed(name),
        }

    def _evaluation(self) -> list[str]:
        folder = self._run.folder / "evaluation"
        return sorted(path.name for path in folder.glob("*.svg"))


def _estimate(row: Mapping[str, Any], name: str = "blast_percent") -> Estimate:
    """The share called ``name`` in ``row``, which may have none."""
    return Estimate(*(row.get(f"{name}{end}") for end in ("", "_low", "_high")))


def _shares(estimates: list[Estimate]) -> npt.NDArray[np.float64]:
    """Shares and the ends of their intervals, of 0 to 1, (3, N); NaN where none is given."""
    percents = np.array([astuple(one) for one in estimates], np.float64)
    return percents.reshape(-1, 3).T / 100


def _percent(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None
