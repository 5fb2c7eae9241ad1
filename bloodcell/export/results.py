"""What an export says of each patient, whatever the format: numbers with method, limits, status."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from bloodcell.bands import BANDS
from bloodcell.export.released import Released, Row, released
from bloodcell.review.folder import logged_reviews
from bloodcell.review.leukocytes import counted_scheme
from bloodcell.run import Run
from bloodcell.scheme import Scheme
from bloodcell.shares import ADJUSTED, DENOMINATORS

Status: TypeAlias = Literal["preliminary", "final", "corrected"]

RESEARCH_USE = "Research use only: not a medical device, never a diagnosis."
PERCENT, PER_100 = "%", "/100{WBCs}"
"""Units, as UCUM has them."""

_NAIVE = "image classification, each cell its most probable class; interval of that count alone"
_ADJUSTED = "image classification, adjusted for its errors and their spread between patients"
_CALLED = "image classification, most probable class"
_BASES = {
    "model": "estimated from both",
    "sample": "estimated from these cells alone, for the classification is not trusted here",
}
_SINGLE_CELLS = "Counts by class do not add up to it: they are of single cells as they were called"
_NO_LEUKOCYTES = "no leukocytes"
_NO_IMAGE = "no image could be scored"


@dataclass(frozen=True)
class Result:
    """One number of a patient."""

    code: str
    """bloodcell's own: the column of patients.parquet that it stands in or comes from."""
    text: str
    unit: str
    value: float | None
    method: str
    denominator: int
    """Cells that it is a share of."""
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
    """When scored, or when the answers came that it rests on; ISO 8601 with the zone."""
    signed_by: tuple[str, ...]
    """Nobody while preliminary."""
    pending: str
    """What may correct it: answers that were given since it was signed; "" if there are none."""
    denominator: int
    """Of the share that counts, and of the differential."""
    results: tuple[Result, ...]
    """The blast share that counts comes first."""
    notes: tuple[str, ...]
    review: Row | None
    """Of the review, what it rests on; None if nobody looked."""


def results_of(run: Run) -> Iterator[PatientResults]:
    """One a patient, in the order of ``patients.parquet``; RunError for damaged tables."""
    scheme = counted_scheme(run)
    reviews = released(run)
    times = {entry["number"]: entry["time"] for entry in logged_reviews(run)}
    for patient in run.patients.to_pylist():
        review = reviews.get(patient["patient"])
        row = review.row if review else None
        status = status_of(row)
        classes = tuple(_classes(scheme, patient, review))
        share, *others = _shares(patient, review, scheme.in_denominator(row or patient))
        yield PatientResults(
            patient=patient["patient"],
            identity="\n".join((*_identity_of(run), patient["patient"])),
            status=status,
            issued=times[row["last_answers"]] if row else str(run.record.finished),
            signed_by=tuple(row["signed_by"]) if row and status != "preliminary" else (),
            pending=review.pending if review else "",
            denominator=share.denominator,
            results=(share, *others, *classes),
            notes=tuple(_notes(run, patient, review, share)),
            review=row,
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


def _shares(patient: Row, review: Released | None, denominator: int) -> Iterator[Result]:
    """First the one that counts, with its ``denominator``; those before a review have their own."""
    why_not = "" if patient["blast_percent"] is not None else patient["adjustment"]
    # That no image was read comes before all else that may be wrong.
    if not patient["scored"]:
        why_not = _NO_IMAGE
    adjusted = _share(patient, _ADJUSTED, why_not, patient["denominator"])
    if review is None:
        yield adjusted
    else:
        yield _reviewed_share(patient, review.row, why_not, denominator)
        yield replace(adjusted, code="blast_percent_adjusted", text="Blasts before review")
    yield Result(
        code="blast_percent_naive",
        text="Blasts, naive count before review",
        unit=PERCENT,
        value=patient["blast_percent_naive"],
        method=_NAIVE,
        denominator=patient["denominator"],
        why_not="" if patient["denominator"] else _why_none(patient),
        low=patient["blast_percent_naive_low"],
        high=patient["blast_percent_naive_high"],
        cells=patient["blasts_counted"],
    )


def _reviewed_share(patient: Row, row: Row, why_network_not: str, denominator: int) -> Result:
    """``row``: of the review; it has the network's share if no cell was looked at."""
    looked_at, reviewers = row["cells_looked_at"], ", ".join(row["reviewers"])
    method = f"{_ADJUSTED}; signed by {reviewers}, no cell looked at"
    if row["basis"]:
        method = f"image classification, and {looked_at} cells looked at by {reviewers}"
        if row["blast_percent"] is not None:
            method += f"; {_BASES[row['basis']]}"
    why_not = "" if row["blast_percent"] is not None else _why_none(patient)
    if why_not and not looked_at:
        why_not = why_network_not
    return _share(row, method, why_not, denominator)


def _share(row: Row, method: str, why_not: str, denominator: int) -> Result:
    share, low, high = (row[name] for name in ADJUSTED)
    return Result(
        code="blast_percent",
        text="Blasts",
        unit=PERCENT,
        value=share,
        method=method,
        denominator=denominator,
        why_not=why_not,
        low=low,
        high=high,
        bands={band: row[band] for band in BANDS if row[band] is not None},
    )


def _classes(scheme: Scheme, patient: Row, review: Released | None) -> Iterator[Result]:
    """Each class's cells, of the denominator, or for each 100 leukocytes where it is none."""
    counted, method = (review.row, _corrected(review)) if review else (patient, _CALLED)
    denominator = scheme.in_denominator(counted)
    leukocytes = sum(
        counted[f"n_{one.code}"] for one in scheme.classes if one.role in ("blast", "leukocyte")
    )
    for place in scheme.differential_order:
        one, is_part = scheme.classes[place], scheme.is_leukocyte[place]
        cells, among = counted[f"n_{one.code}"], denominator if is_part else leukocytes
        yield Result(
            code=f"n_{one.code}",
            text=one.name,
            unit=PERCENT if is_part else PER_100,
            value=100.0 * cells / among if among else None,
            method=method,
            denominator=among,
            why_not="" if among else _why_none(patient),
            cells=cells,
        )


def _corrected(review: Released) -> str:
    """How cells were counted by class after a review."""
    if not (looked_at := review.row["cells_looked_at"]):
        return _CALLED
    corrected = review.cells_corrected
    return f"{_CALLED}; {corrected} of {looked_at} cells looked at were corrected by readers"


def _why_none(patient: Row) -> str:
    """Why there is nothing to count among."""
    return _NO_LEUKOCYTES if patient["scored"] else _NO_IMAGE


def _notes(run: Run, patient: Row, review: Released | None, share: Result) -> Iterator[str]:
    job, row = run.record.job, review.row if review else None
    yield RESEARCH_USE
    yield f"Percentages are of the {DENOMINATORS[job.profile][1]}."
    if job.blast_equivalents != "none":
        yield f"Blast equivalents in {job.blast_equivalents.upper()} count as blasts."
    if share.value is not None:
        corrected = ", corrected only where a reader saw them" if row and row["basis"] else ""
        yield f"The share of blasts is an estimate for all cells. {_SINGLE_CELLS}{corrected}."
    if row is None:
        yield "Not reviewed by a person."
    elif row["status"] == "disputed":
        yield f"Reviewers differ on {row['cells_disputed']} cells; a further reading is needed."
    elif row["status"] == "preliminary":
        yield "Reviewed in part, not signed."
    if review and review.cells_not_told:
        yield (
            "Cells that readers cannot tell, counted as they were called and as not looked at: "
            f"{review.cells_not_told}."
        )
    if review and review.pending:
        yield review.pending
    yield f"{patient['rejected']} of {patient['cells']} images were rejected and not counted."
    if row and row["comment"]:
        yield f"Reviewer: {row['comment']}"
