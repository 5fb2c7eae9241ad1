"""bloodcell itself, by its public function."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

import bloodcell
from bloodcell.bench.peers.contender import Classes
from bloodcell.bench.scoring_options import Scoring
from bloodcell.model import load_model


class Bloodcell:
    """`bloodcell.score` into a new run folder, and the classes read back from it.

    Each time it also loads and proves the network, starts its threads, writes the run, counts the
    patients and writes their report: no other contender pays for any of that.
    """

    def __init__(self, scoring: Scoring) -> None:
        self._scoring = scoring
        self._codes = pa.array(load_model(scoring.model).scheme.codes)

    def ready(self, manifest: Path) -> Callable[[], Classes]:
        """See ``Contender.ready``."""
        out = Path(tempfile.mkdtemp(prefix="run-", dir=manifest.parent))
        return lambda: self._score(manifest, out)

    def _score(self, manifest: Path, out: Path) -> Classes:
        scoring = self._scoring
        run = bloodcell.score(
            manifest, out, scoring.model, batch_size=scoring.batch_size, threads=scoring.threads
        )
        called = pc.index_in(run.cells(["class"])["class"], value_set=self._codes)
        classes: Classes = pc.fill_null(called, -1).to_numpy().astype("int64")
        return classes
