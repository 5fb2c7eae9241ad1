"""What the pages of a report say, from the run's own tables: no number is made here twice."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from bloodcell import repeated_images, unstained
from bloodcell._core import REASONS
from bloodcell.bands import BANDS, DECISION_LINES
from bloodcell.rejections import REJECTED_AS
from bloodcell.report.counting import cells_counted_by_hand
from bloodcell.report.differential import Differential
from bloodcell.report.estimates import Estimate, estimate_of, in_blood, percent_of, shares_of
from bloodcell.report.gallery import Cells, Survey
from bloodcell.report.packs import page_name
from bloodcell.report.readings import readings
from bloodcell.report.reviews import Reviews
from bloodcell.review.leukocytes import counted_scheme, log_odds_in_review, stratum_of
from bloodcell.run import Run
from bloodcell.shares import DENOMINATORS, IS_ADJUSTED

_MOST_DOUBTS = 100
"""Named on the overview, of each kind; ``run.json`` and ``cells/`` have the rest."""


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
        self._differential = Differential(self.scheme)
        self._letters = {code: letter for letter, code in self.scheme.letters}
        self.rows: list[dict[str, Any]] = run.patients.to_pylist()
        self._places = range(len(self.rows)) if places is None else places
        self._last = (len(self.rows) if patients is None else patients) - 1
        self._best = [
            estimate_of(review if _is_reviewed(review) else row)
            for row in self.rows
            for review in [self.reviews.of(row["patient"])]
        ]
        self._blood = self._of_blood()
        self._by_hand = cells_counted_by_hand(*shares_of(self._blood))

    def _of_blood(self) -> list[Estimate]:
        """The best estimates, of the blood: only where cells were looked at they are not yet so."""
        cells = [self._leukocytes_reviewed(row["patient"]) for row in self.rows]
        looked_at = [bool(self.reviews.of(row["patient"]).get("basis")) for row in self.rows]
        of_counted = in_blood(self._best, cells)
        return [
            blood if is_counted else best
            for blood, best, is_counted in zip(of_counted, self._best, looked_at, strict=True)
        ]

    def _leukocytes_reviewed(self, patient: str) -> int:
        return self._differential.leukocytes_reviewed(self.reviews.of(patient))

    @cached_property
    def shared(self) -> dict[str, Any]:
        """What every page says."""
        record, job = self._run.record, self._run.record.job
        return {
            "record": record,
            "job": job,
            "denominator_one": DENOMINATORS[job.profile][0],
            "denominator": DENOMINATORS[job.profile][1],
            "rests_on": None if record.why_not_adjusted else record.error_model,
            "bands": readings(job.profile),
            "lines": DECISION_LINES,
            "rejected_as": REJECTED_AS,
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
                not_adjusted[_why_not(row)] = not_adjusted.get(_why_not(row), 0) + 1
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
        review, unidentified = self.reviews.of(row["patient"]), self._survey.unidentified[place]
        of_classes = self._differential.of(row, review, unidentified)
        return (
            self._summary(place)
            | of_classes
            | {
                "before": page_name(number - 1) if number else None,
                "after": page_name(number + 1) if number < self._last else None,
                "naive": estimate_of(row, "blast_percent_naive"),
                "rejected_by_reason": {
                    REASONS[i]: int(n) for i, n in enumerate(rejected) if n and REASONS[i]
                },
                "rejected_cells": [
                    {
                        "row": cell["row"],
                        "path": paths[cell["row"]],
                        "reason": REASONS[cell["reason"]],
                    }
                    for cell in cells[is_rejected]
                ],
                "shown": int((~is_rejected).sum()),
                "data": self._data(place, cells[~is_rejected], paths),
            }
        )

    def _summary(self, place: int) -> dict[str, Any]:
        """What overview and page say of a patient."""
        row = self.rows[place]
        review = self.reviews.of(row["patient"])
        adjusted, reviewed = estimate_of(row), estimate_of(review)
        # Bands of the adjusted share would contradict a reviewed one.
        is_reviewed = _is_reviewed(review)
        bands = review if is_reviewed else row
        chances = [bands[name] for name in BANDS if bands.get(name) is not None]
        planned = self.reviews.plan_of(row["patient"])
        waiting = len(planned) - self.reviews.answered(planned)
        status = review.get("status", "preliminary")
        band = chances.index(max(chances)) if chances else None
        is_open = self._best[place].is_at_odds_with(band, self._run.record.job.interval_width)
        unidentified = int(self._survey.unidentified[place].sum())
        return {
            "row": row,
            "name": row["patient"],
            "page": page_name(self._places[place]),
            "is_adjusted": row["adjustment"] == IS_ADJUSTED,
            "lacks_stain": bool(unstained.lacks_stain(row["unstained"], row["scored"])),
            "adjusted": adjusted,
            "reviewed": reviewed,
            "is_reviewed": is_reviewed,
            "blood": self._blood[place],
            "leukocytes_reviewed": self._leukocytes_reviewed(row["patient"]),
            "review": review,
            "estimate": self._best[place],
            "status": status,
            "chances": chances,
            "band": band,
            "band_told": None if is_open else band,
            "no_band": _no_band(is_open, is_reviewed, row),
            "why_not": _why_not(row),
            "answered_at": self.reviews.applied_at(row["patient"]),
            "by_hand": int(self._by_hand[place]),
            "rejected_percent": 100 * row["rejected"] / row["cells"],
            "unidentified": unidentified,
            "unidentified_percent": percent_of(unidentified, row["scored"]),
            "planned": len(planned),
            "waiting": waiting,
            "look_first": 0 if status == "final" else waiting,
            "disputed": len(self.reviews.disputed(row["patient"])),
            "not_told": self.reviews.not_told(row["patient"]),
            "remarks": self.reviews.remarks_of(row["patient"]),
        }

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
                for classes, is_counted in (
                    (self._differential.counted, True),
                    (self._differential.outside, False),
                )
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
                    self._differential.places[cells["class_index"]].tolist(),
                    cells["blast_probability"].tolist(),
                    strata.tolist(),
                    cells["is_unidentified"].tolist(),
                    strict=True,
                )
            ],
            "applied": self.reviews.answers_of(name),
            "readings": {
                row: list(said.items()) for row, said in self.reviews.readings_of(name).items()
            },
            "disputed": self.reviews.disputed(name),
            "standing": self.reviews.standing.get(name, 0),
            "remarks": list(self.reviews.remarks_of(name).items()),
        }

    def _evaluation(self) -> list[str]:
        folder = self._run.folder / "evaluation"
        return sorted(path.name for path in folder.glob("*.svg"))


def _why_not(row: dict[str, Any]) -> str:
    """Why no adjusted share is given."""
    return str(row["adjustment"]) if row["scored"] else "no image could be scored"


def _is_reviewed(review: Mapping[str, Any]) -> bool:
    """Whether a row of ``review/patients.parquet`` is what holds, be it that no share is left."""
    return bool(review.get("basis")) or estimate_of(review).is_given


def _no_band(is_open: bool, is_reviewed: bool, row: dict[str, Any]) -> str:
    """What stands in place of a most likely band."""
    if is_open:
        return "open: the interval is too wide"
    return "none given after review" if is_reviewed else _why_not(row)
