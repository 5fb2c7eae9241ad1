"""Images that end or stall whichever worker decodes them, marked at the end of their bytes.

No real image does so for certain, so what is done on a mark is put into the workers alone, by a
``sitecustomize`` on their PYTHONPATH.
"""

from pathlib import Path

import pyarrow as pa
import pytest

import bloodcell

_IN_WORKERS = """
import sys
from pathlib import Path

if "engine.worker" in Path("/proc/self/cmdline").read_text():
    sys.path[:0] = {path!r}
    from helpers.marked_images import decode_as_marked
    decode_as_marked({patience_s})
"""
_MARK = b"\nmarked as "
_heap_is_damaged = False


def mark_images(folder: Path, marks: dict[int, str]) -> None:
    """Mark the images that have these places among all, in row order."""
    images = sorted(folder.glob("*/*"))
    for row, mark in marks.items():
        with images[row].open("ab") as file:
            file.write(_MARK + mark.encode())


def obey_marks(monkeypatch: pytest.MonkeyPatch, folder: Path, patience_s: float = 3.0) -> None:
    """From now on workers do what marked images say; they lose patience after ``patience_s``."""
    folder.mkdir()
    path = [str(Path(__file__).parents[1])]
    (folder / "sitecustomize.py").write_text(_IN_WORKERS.format(path=path, patience_s=patience_s))
    monkeypatch.setenv("PYTHONPATH", str(folder))


def without(cells: pa.Table, rows: list[int]) -> pa.Table:
    """``cells`` without these rows."""
    return cells.filter(pa.array([row not in rows for row in cells["row"].to_pylist()]))


def rejected(run: bloodcell.Run) -> dict[int, str]:
    """The reason of each rejected row."""
    cells = run.cells(["row", "reason"]).to_pylist()
    return {cell["row"]: cell["reason"] for cell in cells if cell["reason"]}


def decode_as_marked(patience_s: float) -> None:
    """In a worker: obey the marks."""
    from bloodcell.engine import watchdog
    from bloodcell.engine.decode import Decoder, Encoded

    decode = Decoder.decode

    def obeying(self: Decoder, encoded: Encoded) -> object:
        for image in encoded:
            _, mark, what = image[-40:].tobytes().partition(_MARK)
            if mark or _heap_is_damaged:
                _do(what.decode())
        decoded = decode(self, encoded)
        # The first call, of an image without a mark, loads what decodes and may take its time.
        watchdog._PATIENCE_S, watchdog._PATIENCE_PER_CELL_S = patience_s, 0.1
        return decoded

    Decoder.decode = obeying  # type: ignore[method-assign, assignment]


def _do(what: str) -> None:
    import ctypes
    import errno
    import os
    import signal

    from bloodcell.errors import EngineError

    global _heap_is_damaged  # noqa: PLW0603
    if _heap_is_damaged or what == "abort":
        # What the C library says and does of a damaged heap.
        ctypes.CDLL(None).free(
            ctypes.c_void_p(ctypes.addressof(ctypes.create_string_buffer(64)) + 8)
        )
    elif what == "damage the heap":
        _heap_is_damaged = True
    elif what == "segmentation fault":
        ctypes.string_at(0)
    elif what == "exit":
        os._exit(7)
    elif what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "hang":
        # Holding the interpreter's lock.
        ctypes.PyDLL(None).sleep(1000)
    elif what == "no threads":
        raise EngineError(os.strerror(errno.EAGAIN))
    elif what == "error":
        raise EngineError("the GPU is lost")
