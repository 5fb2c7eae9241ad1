"""Contenders for the tests of `bloodcell-bench peers`: as light as can be, and mostly broken."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bloodcell.bench.peers.contender import Classes, batch_size_of, image_paths
from bloodcell.bench.scoring_options import Scoring


class Counting:
    """Cell i has class i % 5."""

    def __init__(self, scoring: Scoring) -> None:
        self.scoring = scoring

    def ready(self, manifest: Path) -> Callable[[], Classes]:
        classes = np.arange(len(image_paths(manifest))) % 5
        return lambda: self.score(classes)

    def score(self, classes: Classes) -> Classes:
        time.sleep(0.01)
        return classes


class AllAlike(Counting):
    def score(self, classes: Classes) -> Classes:
        return super().score(classes) * 0


class Slow(Counting):
    def score(self, classes: Classes) -> Classes:
        time.sleep(0.5)
        return classes


class Raising(Counting):
    """Only in a round, never in the warm-up of one batch."""

    def score(self, classes: Classes) -> Classes:
        if len(classes) > batch_size_of(self.scoring):
            raise RuntimeError("out of luck\nwith details")
        return classes


class Dying(Raising):
    def score(self, classes: Classes) -> Classes:
        if len(classes) > batch_size_of(self.scoring):
            os._exit(7)
        return classes


class Lacking(Counting):
    def __init__(self, scoring: Scoring) -> None:
        super().__init__(scoring)
        import a_library_that_nobody_has  # type: ignore[import-not-found]  # noqa: F401
