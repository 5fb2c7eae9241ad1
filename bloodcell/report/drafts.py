"""Pages that are written while a run is scored, but for what only its end says."""

import os
import secrets
import tempfile
from dataclasses import astuple, dataclass
from pathlib import Path

from bloodcell.files import writing


@dataclass(frozen=True)
class AtTheEnd:
    """What a page says that is known when all cells are scored, as it stands there."""

    finished: str
    """See ``RunRecord``."""
    run_identity: str
    plan_identity: str
    repeated: str
    """See ``repeated_section``."""


class Drafts:
    """Pages with ``stand_in`` where the end of the run has its say, by the patient's place.

    They lie in a file without a name in ``folder``: memory does not grow with them, and nothing
    is left of them whatever ends the process.
    """

    def __init__(self, folder: Path) -> None:
        # By chance, so that no patient and no path is called so.
        self.stand_in = AtTheEnd(*(secrets.token_hex(16) for _ in range(4)))
        self._where: dict[int, tuple[int, int]] = {}
        self._folder, self._end = folder, 0
        with writing(folder):
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `close`

    def add(self, place: int, page: bytes) -> None:
        """Keep a page; DiskError if the disk refuses."""
        with writing(self._folder):
            self._file.write(page)
            self._file.flush()
        self._where[place] = self._end, len(page)
        self._end += len(page)

    def page(self, place: int, known: AtTheEnd) -> bytes:
        """The page of the patient at ``place``; from any thread."""
        start, size = self._where[place]
        page = os.pread(self._file.fileno(), size, start)
        for stand_in, value in zip(astuple(self.stand_in), astuple(known), strict=True):
            page = page.replace(stand_in.encode(), value.encode())
        return page

    def close(self) -> None:
        """Give up what is kept."""
        self._file.close()
