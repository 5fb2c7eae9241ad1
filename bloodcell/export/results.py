"""What an export says of each patient, whatever the format: numbers with method, limits, status."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from bloodcell.review.folder import logged_reviews, reviewed_patients
from bloodcell.review.leukocytes import counted_scheme
from bloodcell.run import Run
from bloodcell.scheme import CellClass
from bloodcell.shares import ADJUSTED, BANDS

Status: TypeAlias = Literal["preliminary", "final", "corrected"]
Row: TypeAlias = dict[str, Any]

RESEARCH_USE = "Research use only: not a medical device, never a diagnosis."
PERCENT, PER_100 = "%", "/100{WBCs}"
"""Units, as UCUM has them."""

BAND_TEXTS = dict(
    zip(BANDS, ("under 5 %", "5 to under 10 %", "10 to under 20 %", "20 % or more"), strict=True)
)

_DENOMINATORS = {"blood": "leukocytes", "marrow": "nucleated cells, erythroid ones included"}
_NAIVE = "image classification, each cell its most probable class; interval of that count alone"
_ADJUSTED = "image classification, adjusted for its errors and their spread between patients"
_CALLED = "image classification, most probable class"
_BASES = {
    "model": "estimated from both",
    "sample": "estimated from these cells alone, for the classification is not trusted here",
}
_NO_LEUKOCYTES = "no leukocytes"


@dataclass(frozen=True)
class Result:
    """One number of a patient."""

    code: str
    """bloodcell's own: the column of patients.parquet that it stands in or comes from."""
    text: str
    unit: str
    value: float | None
    method: str
    why_not: str = ""
    """Why there is no value; "" if there is one."""
    low: float | None = None
    """Limits of the 95 % interval; None where there is none."""
    high: float | None = None
    cells: int | None = None
    """How many cells were counted; None for a share that is no count."""
    bands: dict[str, float] = field(default_factory=dict)
    """Chance, 0 to 1, that the true share lies in a band, by column; may be empty."""


@dataclass(frozen=True)
class PatientResults:
    """All numbers of one patient."""

    patient: str
    identity: str
    """Of the run's images, of what they were scored and counted by, and of the patient: what a
    later export of the same results is known by."""
    status: Status
    issued: str
    """When scored, or when last reviewed; ISO 8601 with the zone."""
    signed_by: tuple[str, ...]
    """Nobody while preliminary."""
    denominator: int
    results: tuple[Result, ...]
    """The blast share that counts comes first."""
    notes: tuple[str, ...]


def results_of(run: Run) -> Iterator[PatientResults]:
    """One a patient, in the order of ``patients.parquet``; RunError for damaged tables."""
    scheme = counted_scheme(run)
    in_denominator = [
        one.code for one, counts in zip(scheme.classes, scheme.is_leukocyte, strict=True) if counts
    ]
    in_order = tuple(scheme.classes[place] for place in scheme.differential_order)
    reviewed = reviewed_patients(run)
    times = {entry["number"]: entry["time"] for entry in logged_reviews(run)}
    for patient in run.patients.to_pylist():
        review = reviewed.get(patient["patient"])
        counted = review or patient
        denominator = sum(counted[f"n_{code}"] for code in in_denominator)
        status = status_of(review)
        yield PatientResults(
            patient=patient["patient"],
            identity="\n".join((*_identity_of(run), patient["patient"])),
            status=status,
            issued=times[review["last_answers"]] if review else str(run.record.finished),
            signed_by=tuple(review["signed_by"]) if review and status != "preliminary" else (),
            denominator=denominator,
            results=(
                *_shares(patient, review),
                *_classes(in_order, in_denominator, counted, denominator),
            ),
            notes=tuple(_notes(run, patient, review)),
        )


def _identity_of(run: Run) -> tuple[str, ...]:
    job = run.record.job
    counting = (job.profile, job.blast_equivalents)
    return (run.record.manifest_sha256, job.model_sha256, job.card_sha256, *counting)


def status_of(review: Row | None) -> Status:
    """What a row of ``review/patients.parquet`` means to who receives an export."""
    if review is None or review["status"] != "final":
        return "preliminary"
    return "corrected" if review["corrected"] else "final"


def _shares(patient: Row, review: Row | None) -> Iterator[Result]:
    is_adjusted = patient["blast_percent"] is not None
    adjusted = _share(patient, _ADJUSTED, "" if is_adjusted else patient["adjustment"])
    if review is None:
        yield adjusted
    else:
        looked_at, reviewers = review["cells_looked_at"], ", ".join(review["reviewers"])
        method = f"{_ADJUSTED}; signed by {reviewers}, no cell looked at"
        if review["basis"]:
            seen = f"{looked_at} cells looked at by {reviewers}"
            method = f"image classification, and {seen}; {_BASES[review['basis']]}"
        why_not = "" if review["blast_percent"] is not None else _NO_LEUKOCYTES
        if why_not and not looked_at:
            why_not = patient["adjustment"]
        yield _share(review, method, why_not)
        yield replace(adjusted, code="blast_percent_adjusted", text="Blasts before review")
    yield Result(
        code="blast_percent_naive",
        text="Blasts, naive count before review",
        unit=PERCENT,
        value=patient["blast_percent_naive"],
        method=_NAIVE,
        why_not="" if patient["denominator"] else _NO_LEUKOCYTES,
        low=patient["blast_percent_naive_low"],
        high=patient["blast_percent_naive_high"],
        cells=patient["blasts_counted"],
    )


def _share(row: Row, method: str, why_not: str) -> Result:
    share, low, high = (row[name] for name in ADJUSTED)
    return Result(
        code="blast_percent",
        text="Blasts",
        unit=PERCENT,
        value=share,
        method=method,
        why_not=why_not,
        low=low,
        high=high,
        bands={band: row[band] for band in BANDS if row[band] is not None},
    )


def _classes(
    classes: tuple[CellClass, ...], in_denominator: list[str], counted: Row, denominator: int
) -> Iterator[Result]:
    """Each class's cells, of the denominator, or for each 100 leukocytes where it is none."""
    leukocytes = sum(
        counted[f"n_{one.code}"] for one in classes if one.role in ("blast", "leukocyte")
    )
    for one in classes:
        cells = counted[f"n_{one.code}"]
        is_part = one.code in in_denominator
        among = denominator if is_part else leukocytes
        yield Result(
            code=f"n_{one.code}",
            text=one.name,
            unit=PERCENT if is_part else PER_100,
            value=100.0 * cells / among if among else None,
            method=_CALLED,
            why_not="" if among else _NO_LEUKOCYTES,
            cells=cells,
        )


def _notes(run: Run, patient: Row, review: Row | None) -> Iterator[str]:
    job = run.record.job
    yield RESEARCH_USE
    yield f"Percentages are of the {_DENOMINATORS[job.profile]}."
    if job.blast_equivalents != "none":
        yield f"Blast equivalents in {job.blast_equivalents.upper()} count as blasts."
    if review is None:
        yield "Not reviewed by a person."
    elif review["status"] == "disputed":
        yield f"Reviewers differ on {review['cells_disputed']} cells; a further reading is needed."
    elif review["status"] == "preliminary":
        yield "Reviewed in part, not signed."
    yield f"{patient['rejected']} of {patient['cells']} images were rejected and not counted."
    if review and review["comment"]:
        yield f"Reviewer: {review['comment']}"
