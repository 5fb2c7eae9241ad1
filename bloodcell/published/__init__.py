"""Figures that papers published, as data: one TOML a paper, beside which a run's own may stand."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bloodcell.errors import InputError
from bloodcell.scheme import Scheme, load_scheme
from bloodcell.toml import is_number, read_toml

_FOLDER = Path(__file__).parent
_FIGURES = {
    "classes": {"n", "precision", "sensitivity", "tolerant_precision", "tolerant_sensitivity"},
    "groups": {"auroc", "spread"},
}
"""What an entry may state."""


@dataclass(frozen=True)
class Paper:
    """What a paper published of its network, in the classes of its scheme."""

    name: str
    title: str
    source: str
    measured_on: str
    scheme: Scheme
    verified: dict[str, bool]
    """Whether the figures of ``classes``, ``groups`` and ``accuracy`` were read in the paper."""
    classes: dict[str, dict[str, float]]
    """By code."""
    groups: dict[str, dict[str, float]]
    """By the scheme's name of the group."""
    accuracy: dict[str, float]
    """By what was trained."""
    classes_of: dict[str, dict[str, str]]
    """By another scheme's name: the code here of each of its codes that has one."""
    note: str = ""
    """What else a reader must know."""


def paper_names() -> list[str]:
    """The papers that come with bloodcell, sorted."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def read_paper(name_or_file: str) -> Paper:
    """A paper by its name, or of a file of one's own; InputError naming the file and its fault."""
    path = Path(name_or_file)
    if name_or_file in paper_names():
        path = _FOLDER / f"{name_or_file}.toml"
    elif path.suffix != ".toml" or not path.is_file():
        raise InputError(
            f"unknown paper {name_or_file!r}: neither a .toml file nor one of "
            f"{', '.join(paper_names())}"
        )
    table = read_toml(path, InputError)
    try:
        paper = Paper(
            name=path.stem,
            title=table["title"],
            source=table["source"],
            measured_on=table["measured_on"],
            scheme=load_scheme(table["scheme"]),
            verified={kind: table["verified"][kind] for kind in (*_FIGURES, "accuracy")},
            classes=_checked(table, "classes"),
            groups=_checked(table, "groups"),
            accuracy=table.get("accuracy", {}),
            classes_of=table.get("classes_of", {}),
            note=table.get("note", ""),
        )
        _check_names(paper)
    except KeyError as missing:
        raise InputError(f"{path} lacks the entry {missing}") from missing
    except (AttributeError, TypeError, ValueError) as fault:
        raise InputError(f"{path}: {fault}") from fault
    return paper


def _checked(table: dict[str, Any], kind: str) -> dict[str, dict[str, float]]:
    entries: dict[str, dict[str, float]] = table.get(kind, {})
    for name, figures in entries.items():
        if not (figures.keys() <= _FIGURES[kind] and all(map(is_number, figures.values()))):
            raise ValueError(
                f"[{kind}] {name} is {figures}: numbers of {sorted(_FIGURES[kind])} are expected"
            )
    return entries


def _check_names(paper: Paper) -> None:
    """ValueError for a class or group that the scheme has not."""
    codes = {*paper.classes, *(one for of in paper.classes_of.values() for one in of.values())}
    if unknown := sorted(codes - set(paper.scheme.codes)):
        raise ValueError(f"{unknown} are no classes of scheme {paper.scheme.name}")
    if unknown := sorted(paper.groups.keys() - paper.scheme.groups.keys()):
        raise ValueError(f"{unknown} are no groups of scheme {paper.scheme.name}")
    for other, of in paper.classes_of.items():
        if unknown := sorted(of.keys() - set(load_scheme(other).codes)):
            raise ValueError(f"[classes_of.{other}] has {unknown}, which are no classes of it")
