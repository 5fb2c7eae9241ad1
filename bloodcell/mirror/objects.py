"""The objects of a run: what there is, and single requests."""

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bloodcell.engine.object_listing import level, pages
from bloodcell.engine.object_store import ObjectPath, store_errors
from bloodcell.errors import BloodcellError, DiskError, RunError

_ODD_PARTS = {"", ".", ".."}


@contextmanager
def putting() -> Iterator[None]:
    """Raise what a store says inside as a DiskError: something could not be written."""
    try:
        with store_errors():
            yield
    except BloodcellError as error:
        raise DiskError(
            f"cannot write to the run: {error}. What is finished is kept; mend the cause and run "
            "the same command again"
        ) from error


class RunObjects:
    """Those below ``place``, by their names as in a run folder (``cells/part-00000.parquet``).

    Methods raise StoreError; what returns a future leaves that to who waits for it.
    """

    def __init__(self, place: ObjectPath) -> None:
        self.place = place

    def entries(self) -> set[str]:
        """Names directly below; of folders too, with a slash at their end."""
        with store_errors():
            folders, files = level(self.place)
        return {*files, *(f"{name}/" for name in folders)}

    def sizes(self) -> dict[str, int]:
        """Bytes of each object by name; RunError for a name that no file can have."""
        with store_errors():
            found = list(pages(self.place, deep=True))
        sizes = {name: size for page in found for name, size in page.files.items()}
        for name in sizes:
            if _ODD_PARTS & set(name.split("/")):
                raise RunError(f"{self.place}/{name} is no file of a run: delete the object")
        return sizes

    def read(self, name: str) -> bytes | None:
        """The bytes of an object; None if there is none."""
        with store_errors():
            try:
                return (self.place / name).read()
            except FileNotFoundError:
                return None

    def get(self, name: str, path: Path) -> "Future[Any]":
        """Begin to write the bytes of an object to the file ``path``."""
        key = (self.place / name).key
        return (self.place / name).submit(lambda store: store._get_file(key, str(path)))

    def put(self, name: str, path: Path) -> "Future[Any]":
        """Begin to make, or replace, an object of the file ``path``: whole, or not at all."""
        key = (self.place / name).key
        return (self.place / name).submit(lambda store: store._put_file(str(path), key))

    def put_bytes(self, name: str, content: bytes) -> "Future[Any]":
        """Likewise of bytes."""
        key = (self.place / name).key
        return (self.place / name).submit(lambda store: store._pipe_file(key, content))

    def create(self, name: str, content: bytes) -> None:
        """Make an object if there is none; OSError, by kinds that differ from store to store."""
        key = (self.place / name).key
        (self.place / name).run(lambda store: store._pipe_file(key, content, mode="create"))

    def delete(self, name: str) -> "Future[Any]":
        """Begin to delete an object."""
        key = (self.place / name).key
        return (self.place / name).submit(lambda store: store._rm_file(key))
