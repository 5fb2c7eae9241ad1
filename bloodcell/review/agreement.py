"""Where reviewers agree: what a cell counts as after several readings, and Cohen's kappa."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any, TypeAlias

Votes: TypeAlias = Mapping[str, str]
"""Of one cell: the class that each reviewer gave last, the latest answer last."""


def settled_class(votes: Votes) -> str | None:
    """The class that counts; None while the readings leave it open.

    That of the only reviewer; of several the one that more of them gave than any other, two at
    least: of two who differ a third settles it.
    """
    (first, most), *others = Counter(votes.values()).most_common(2)
    is_open = len(votes) > 1 and (most < 2 or any(count == most for _, count in others))
    return None if is_open else first


def agreements(cells: Iterable[Votes]) -> list[dict[str, Any]]:
    """Of each two reviewers who looked at the same cells.

    ``reviewers``, ``cells`` both looked at, ``agreed``, ``kappa`` over all classes, and
    ``kappa_by_class``, each class against the rest; null where chance alone would agree always.
    """
    cells = list(cells)
    reviewers = sorted({name for votes in cells for name in votes})
    pairs = (
        (two, [(votes[two[0]], votes[two[1]]) for votes in cells if votes.keys() >= set(two)])
        for two in combinations(reviewers, 2)
    )
    return [_agreement(two, answers) for two, answers in pairs if answers]


def _agreement(reviewers: tuple[str, str], answers: Sequence[tuple[str, str]]) -> dict[str, Any]:
    classes = sorted({code for both in answers for code in both})
    return {
        "reviewers": list(reviewers),
        "cells": len(answers),
        "agreed": sum(first == second for first, second in answers),
        "kappa": cohens_kappa(answers),
        "kappa_by_class": {
            code: cohens_kappa((first == code, second == code) for first, second in answers)
            for code in classes
        },
    }


def cohens_kappa(answers: Iterable[tuple[Any, Any]]) -> float | None:
    """Agreement beyond chance, (o - e) / (1 - e); None if e is 1.

    Cohen 1960, Educ. Psychol. Meas. 20:37: o is the share of pairs that are equal, e what it would
    be if each reviewer's answers were dealt at random.
    """
    pairs = list(answers)
    first, second = (Counter(side) for side in zip(*pairs, strict=True))
    equal = sum(one == other for one, other in pairs)
    by_chance = sum(count * second[code] for code, count in first.items())
    if by_chance == len(pairs) ** 2:
        return None
    kappa: float = (len(pairs) * equal - by_chance) / (len(pairs) ** 2 - by_chance)
    return kappa
