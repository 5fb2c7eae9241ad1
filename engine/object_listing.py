"""What lies in a folder of an object store: names, page by page, in the order of the store."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from bloodcell.engine.object_store import ObjectPath

_FOLDERS_AHEAD = 16
"""Whose listings are in flight or wait to be taken."""


@dataclass(frozen=True)
class Page:
    """Names of up to a thousand entries, below the folder."""

    folders: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


def pages(folder: ObjectPath, *, deep: bool, most: int = 1000) -> Iterator[Page]:
    """What is in ``folder``; with ``deep`` its files at any depth instead of its folders.

    Objects that only stand for a folder (their names end in ``/``) are none. Nothing where there is
    no such folder. Raises as ``ObjectPath.submit``.
    """
    if folder.scheme == "s3":
        yield from _pages_of_s3(folder, deep=deep, most=most)
        return
    # These ask again, page by page, themselves.
    try:
        listed = folder.run(
            lambda store: (
                store._find(folder.key, detail=True) if deep else store._ls(folder.key, detail=True)
            )
        )
    except FileNotFoundError:
        return
    entries = list(listed.values()) if isinstance(listed, dict) else listed
    yield _page_of(
        f"{folder.key}/",
        (entry["name"].rstrip("/") for entry in entries if entry["type"] == "directory"),
        (entry["name"] for entry in entries if entry["type"] != "directory"),
    )


def _pages_of_s3(folder: ObjectPath, *, deep: bool, most: int) -> Iterator[Page]:
    """A request a page: s3fs would begin at the first page again if one failed."""
    prefix = folder.key.partition("/")[2]
    asked: dict[str, Any] = {"Bucket": folder.bucket, "MaxKeys": most}
    asked["Prefix"] = prefix = prefix and f"{prefix}/"
    if not deep:
        asked["Delimiter"] = "/"
    while True:
        answer = folder.run(lambda store: store._call_s3("list_objects_v2", **asked))
        yield _page_of(
            prefix,
            (entry["Prefix"][:-1] for entry in answer.get("CommonPrefixes", [])),
            (entry["Key"] for entry in answer.get("Contents", [])),
        )
        if not answer.get("IsTruncated"):
            return
        asked["ContinuationToken"] = answer["NextContinuationToken"]


def _page_of(prefix: str, folders: Iterator[str], files: Iterator[str]) -> Page:
    start = len(prefix)
    return Page(
        [name[start:] for name in folders if len(name) > start],
        [name[start:] for name in files if len(name) > start and not name.endswith("/")],
    )


def level(folder: ObjectPath) -> tuple[list[str], list[str]]:
    """Names of the folders and of the objects in ``folder``, each sorted."""
    folders: list[str] = []
    files: list[str] = []
    for page in pages(folder, deep=False):
        folders += page.folders
        files += page.files
    return sorted(folders), sorted(files)


def holds_any(folder: ObjectPath) -> bool:
    """Whether anything lies in ``folder``; one request."""
    return any(page.files for page in pages(folder, deep=True, most=2))


def files_below(folders: Sequence[ObjectPath]) -> Iterator[list[str]]:
    """Names of the files of each folder, at any depth; several are listed at once.

    In memory are the names of as many folders as are listed ahead.
    """
    waiting: deque[Future[list[str]]] = deque()
    with ThreadPoolExecutor(_FOLDERS_AHEAD) as pool:
        try:
            for folder in folders:
                waiting.append(pool.submit(_names_below, folder))
                if len(waiting) == _FOLDERS_AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _names_below(folder: ObjectPath) -> list[str]:
    return [name for page in pages(folder, deep=True) for name in page.files]
