"""Whether images still are, byte for byte, what was scored under their names."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bloodcell.digests import digest_array
from bloodcell.engine.object_store import Place
from bloodcell.engine.source import batches_of, read_files
from bloodcell.errors import RunError, Stopped
from bloodcell.source_watch import NOT_READ, SourceWatch
from bloodcell.store import RunStore

_ROWS_AT_ONCE = 32
_MOST_NAMED = 3


@dataclass
class Comparison:
    """How many of a run's images are no longer what was scored."""

    compared: int = 0
    changed: int = 0
    gone: int = 0
    """Cannot be read now."""
    names: list[str] = field(default_factory=list)
    """Paths of some that were changed or are gone."""

    def __str__(self) -> str:
        """What is wrong with them; "" for nothing."""
        shares = [(self.changed, "were changed"), (self.gone, "are gone or cannot be read")]
        wrong = " and ".join(f"{count} {how}" for count, how in shares if count)
        more = ", ..." if len(self.names) < self.changed + self.gone else ""
        names = ", ".join(self.names)
        return wrong and f"{wrong}, of {self.compared} images that had been read ({names}{more})"


@dataclass(frozen=True)
class ImageCheck:
    """Reads the images below ``root`` again. Every byte: size and time of a file prove nothing."""

    root: Place
    threads: int
    progress: Callable[[int, int], None]
    """Called with (cells done, cells in all)."""
    stop: threading.Event

    def compare(self, store: RunStore) -> Comparison:
        """Hold the images of the run's finished parts against their digests.

        What was not read when its part was scored is left out. Raises Stopped if asked to, or if
        the file system fails.
        """
        result, done, cells = Comparison(), 0, store.manifest_row_count()
        with ThreadPoolExecutor(self.threads) as pool:
            for part in store.finished_parts():
                scored, read = store.read_part(part), []
                for digests in self._digests_now(pool, store.rows_of(part)):
                    read.append(digests)
                    done += len(digests)
                    self.progress(done, cells)
                    if self.stop.is_set():
                        raise Stopped(_STOPPED)
                _compare_part(result, scored, np.concatenate(read))
        return result

    def refuse_changed(self, store: RunStore, watch: SourceWatch) -> None:
        """RunError naming some images that are not as they were scored, Stopped if all are gone."""
        comparison = self.compare(store)
        if comparison.changed or comparison.gone:
            watch.refuse_if_gone()
        if comparison.gone and comparison.gone == comparison.compared:
            raise Stopped(f"stopped: {comparison} below {self.root}: {_NOTHING_CHANGED}")
        if comparison.changed or comparison.gone:
            raise RunError(
                f"{store.folder} is a run of other images than those below {self.root}: "
                f"{comparison}. Put back what was scored, or choose a new --out"
            )

    def _digests_now(
        self, pool: ThreadPoolExecutor, rows: pa.Table
    ) -> Iterator[npt.NDArray[np.uint8]]:
        with closing(pool.map(self._read, batches_of(rows, _ROWS_AT_ONCE))) as batches:  # type: ignore[type-var]
            yield from batches

    def _read(self, rows: pa.Table) -> npt.NDArray[np.uint8]:
        (batch,) = read_files(self.root, [rows], follows_codes=False)
        return batch.digests


_NOTHING_CHANGED = "the run is as it was. Mount them again and run the same command again"
_STOPPED = (
    "stopped while the images were compared with what was scored: the run is as it was, and the "
    "same command begins again"
)


def _compare_part(result: Comparison, part: pa.Table, now: npt.NDArray[np.uint8]) -> None:
    """Add to ``result`` what the digests uint8 (N, 16) of the part's images are now."""
    was_read = pc.invert(pc.is_in(part["reason"], value_set=pa.array(NOT_READ))).to_numpy()
    differs = was_read & (now != digest_array(part["digest"])).any(axis=1)
    is_gone = differs & ~now.any(axis=1)
    result.compared += int(was_read.sum())
    result.gone += int(is_gone.sum())
    result.changed += int((differs & ~is_gone).sum())
    room = _MOST_NAMED - len(result.names)
    result.names += part["path"].take(pa.array(np.flatnonzero(differs)[:room])).to_pylist()
