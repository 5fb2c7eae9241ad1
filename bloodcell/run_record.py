"""What ``run.json`` says of a run: its keys are the fields here and stand nowhere else.

A field with a default stays out of the file while it has it, so runs of before the field can be
read. An entry that no field takes is refused, for it may change what the others mean.
"""

import json
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from bloodcell.engine.backends.contract import Choice
from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.error_model import Recalibration
from bloodcell.errors import RunError
from bloodcell.files import write_json
from bloodcell.scheme import CellClass, Equivalents, Specimen
from bloodcell.toml import is_number


@dataclass(frozen=True)
class Job:
    """What, with the manifest, a run's results are a function of."""

    input: str
    model: str
    model_version: str
    model_sha256: str
    card_sha256: str
    profile: Specimen
    blast_equivalents: Equivalents
    interval_width: float
    """Points of blast share."""
    backend: str
    device: str
    rows_per_part: int
    versions: dict[str, str]
    """Of packages, and digests of what a backend was made of."""


@dataclass(frozen=True)
class ErrorModelBasis:
    """Whose cells the error model was fitted to, and what it holds for."""

    patients: int
    cells: int
    blasts: int
    held_out: str
    profile: Specimen
    blast_equivalents: Equivalents


@dataclass(frozen=True)
class Counts:
    """What a finished run comes to; in ``run.json`` beside the record's other entries."""

    cells: int
    scored: int
    rejected: dict[str, int]
    """By reason; reasons that did not occur are not there."""
    patients: int


@dataclass(frozen=True)
class SessionFigures:
    """How the last call that scored went."""

    cells: int
    elapsed_s: float
    cells_per_s: float
    batch_size: int
    threads: int
    lanes: int
    """Batches worked on side by side, in all workers together."""
    device_memory_mib: dict[str, list[int]] | None = None
    """Of each GPU, by its UUID: in use after the first batch and at the end."""
    jpeg_decoders: str | None = None
    """On a GPU: what each worker took, and why."""


@dataclass(frozen=True)
class Repeat:
    """Cells of a patient that are, byte for byte, cells which come earlier in the manifest."""

    patient: str
    path: str
    """Of the first of them."""
    cells: int
    first_patient: str
    """Whose the earlier cells are."""
    first_path: str
    """Of the cell that ``path`` repeats."""


@dataclass(frozen=True)
class Repeats:
    """How many cells repeat another, and for the first patients, or pairs of them, an example."""

    cells: int
    examples: tuple[Repeat, ...]


@dataclass(frozen=True)
class RepeatedImages:
    """Cells whose image, byte for byte, is that of a cell which comes earlier in the manifest."""

    between_patients: Repeats
    within_patients: Repeats


@dataclass(frozen=True)
class Unstained:
    """Scored cells that look otherwise than the network's stained smears."""

    cells: int
    patients: tuple[str, ...]
    """Of whose scored cells more than half are such."""


@dataclass(frozen=True)
class RunRecord:
    """One ``run.json``."""

    job: Job
    manifest_sha256: str
    scheme: str
    error_model: ErrorModelBasis | None
    why_not_adjusted: str
    """Why no patient can be adjusted; "" if that is up to each patient's cells."""
    model_folder: str
    backend: Choice
    preprocessing: Preprocessing
    temperature: float
    started: str
    state: Literal["running", "stopped", "failed", "done"]
    classes: tuple[CellClass, ...] = ()
    """Of the scheme, in the order of ``probabilities``, each in the role it has in this run; none
    in runs of before this entry."""
    letters: dict[str, str] | None = None
    """Of the scheme: class by letter, in the order of a differential."""
    left_out_files: dict[str, int] | None = None
    """Files of the input that are no cells, by what left them behind; None if there were none."""
    prior_ratios: tuple[float, ...] | None = None
    """What followed the softmax, see ``calibrated_probabilities``; None if nothing did."""
    counts: Counts | None = None
    repeated_images: RepeatedImages | None = None
    """None if no image is there twice, or the run is not done."""
    unstained: Unstained | None = None
    """None if there are no such cells, or the run is not done."""
    unidentified: int | None = None
    """Scored cells that are more likely something else than what they are called; None if the run
    is not done, or in runs of before this entry."""
    session: SessionFigures | None = None
    finished: str | None = None
    recalibration: Recalibration | None = None
    """What a review starts from; None: by its sample alone."""
    audit_head: str | None = None
    """SHA-256 of the last line of the audit log; None while the run is not done."""

    def entries(self) -> dict[str, Any]:
        """What ``run.json`` holds, in its order."""
        entries: dict[str, Any] = {}
        for name, value in _entries(self).items():
            entries |= value if name == "counts" else {name: value}
        return entries


def write_record(path: Path, record: RunRecord) -> None:
    """Replace the ``run.json`` at ``path``; DiskError if the disk refuses."""
    write_json(path, record.entries())


def read_record(path: Path) -> RunRecord:
    """Read the ``run.json`` at ``path``; RunError if there is none or it is not a whole one."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RunError(f"{path.parent} is not a run folder: it has no run.json") from error
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        what = f"damaged ({error})" if path.stat().st_size else "empty"
        raise RunError(
            f"{path} is {what}, and nothing else says what the run is of: restore it from a copy, "
            "or score anew into another --out"
        ) from error
    if not isinstance(entries, dict) or not {"state", "job"} <= entries.keys():
        raise RunError(f"{path} is not of bloodcell: it has no 'state' and 'job'")
    counts = {f.name: entries.pop(f.name) for f in fields(Counts) if f.name in entries}
    try:
        record: RunRecord = _object(RunRecord, entries | ({"counts": counts} if counts else {}))
    except ValueError as wrong:
        raise RunError(f"{path} is damaged, or of another version of bloodcell: {wrong}") from wrong
    return record


def _entries(record: Any) -> dict[str, Any]:
    return {
        field.name: _plain(value)
        for field in fields(record)
        if (value := getattr(record, field.name)) != field.default
    }


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return _entries(value)
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def _object(kind: Any, entries: dict[str, Any]) -> Any:
    """The dataclass ``kind`` of ``entries``; ValueError naming an entry at fault."""
    kinds = get_type_hints(kind)
    lacking = [f.name for f in fields(kind) if f.default is MISSING and f.name not in entries]
    unknown = sorted(entries.keys() - kinds.keys())
    if lacking or unknown:
        raise ValueError(f"it lacks the entries {lacking}" if lacking else f"unknown are {unknown}")
    return kind(**{name: _value(kinds[name], value, name) for name, value in entries.items()})


def _value(kind: Any, value: Any, name: str) -> Any:
    """``value``, as JSON has it, as a field of the type ``kind`` has it; else ValueError."""
    outer, inner = get_origin(kind), get_args(kind)
    if outer is UnionType:  # of a type and None
        return None if value is None else _value(inner[0], value, name)
    if is_dataclass(kind) and isinstance(value, dict):
        return _object(kind, value)
    if outer is dict and isinstance(value, dict):
        return {key: _value(inner[1], one, name) for key, one in value.items()}
    if outer in (list, tuple) and isinstance(value, list):
        return outer(_value(inner[0], one, name) for one in value)
    if kind is float:  # JSON of one without a fraction may be an int
        fits = is_number(value)
    else:
        fits = value in inner if outer is Literal else type(value) is kind
    if fits:
        return value
    raise ValueError(f"{name} is {value!r}")
