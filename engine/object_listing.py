"""What lies in a folder of an object store: names, page by page, in the order of the store."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bloodcell.engine.object_store import ObjectPath

_FOLDERS_AHEAD = 16
"""Whose listings are in flight or wait to be taken."""


@dataclass(frozen=True)
class Page:
    """Up to a thousand entries, below the folder."""

    folders: list[str] = field(default_factory=list)
    """Names."""
    files: dict[str, int] = field(default_factory=dict)
    """Bytes by name."""


def pages(folder: ObjectPath, *, deep: bool, most: int = 1000) -> Iterator[Page]:
    """What is in ``folder``, a request a page; with ``deep`` its files at any depth, no folders.

    Not by fsspec's own listing, which begins at the first page again if one failed, and has all in
    memory. Objects that only stand for a folder (their names end in ``/``) are none. Nothing where
    there is no such folder. Raises as ``ObjectPath.submit``.
    """
    ask, token = _ASKING[folder.scheme], ""
    while True:
        page, token = folder.run(partial(ask, folder, token, deep, most))
        yield page
        if not token:
            return


async def _ask_s3(
    folder: ObjectPath, token: str, deep: bool, most: int, store: Any
) -> tuple[Page, str]:
    """A page, and the token of the next one; "" for none. So do the next two."""
    asked: dict[str, Any] = {"Bucket": folder.bucket, "Prefix": _prefix(folder), "MaxKeys": most}
    if not deep:
        asked["Delimiter"] = "/"
    if token:
        asked["ContinuationToken"] = token
    answer = await store._call_s3("list_objects_v2", **asked)
    page = _page_of(
        folder,
        [entry["Prefix"] for entry in answer.get("CommonPrefixes", [])],
        {entry["Key"]: entry["Size"] for entry in answer.get("Contents", [])},
    )
    return page, answer["NextContinuationToken"] if answer.get("IsTruncated") else ""


async def _ask_google(
    folder: ObjectPath, token: str, deep: bool, most: int, store: Any
) -> tuple[Page, str]:
    answer = await store._call(
        "GET",
        "b/{}/o",
        folder.bucket,
        prefix=_prefix(folder) or None,
        delimiter=None if deep else "/",
        maxResults=most,
        pageToken=token or None,
        fields="prefixes,items(name,size),nextPageToken",
        json_out=True,
    )
    page = _page_of(
        folder,
        answer.get("prefixes", []),
        {entry["name"]: int(entry["size"]) for entry in answer.get("items", [])},
    )
    return page, answer.get("nextPageToken", "")


async def _ask_azure(
    folder: ObjectPath, token: str, deep: bool, most: int, store: Any
) -> tuple[Page, str]:
    async with store.service_client.get_container_client(folder.bucket) as container:
        listing = container.list_blobs if deep else container.walk_blobs
        answers = listing(
            name_starts_with=_prefix(folder) or None, include=["metadata"], results_per_page=most
        ).by_page(token or None)
        entries = [entry async for entry in await anext(answers)]
    blobs = [entry for entry in entries if "size" in entry]
    page = _page_of(
        folder,
        [entry.name for entry in entries if "size" not in entry],
        {blob.name: blob.size for blob in blobs if not _is_folder_of_azure(blob)},
    )
    return page, answers.continuation_token or ""


def _is_folder_of_azure(blob: Any) -> bool:
    """Whether a blob only stands for a folder; where there are folders each has one."""
    metadata = {name.lower(): value for name, value in (blob.metadata or {}).items()}
    return metadata.get("hdi_isfolder") == "true"


_ASKING = {"s3": _ask_s3, "gs": _ask_google, "az": _ask_azure, "abfs": _ask_azure}


def _prefix(folder: ObjectPath) -> str:
    """What the keys of all that is in ``folder`` begin with."""
    key = folder.key.partition("/")[2]
    return key and f"{key}/"


def _page_of(folder: ObjectPath, prefixes: list[str], sizes: dict[str, int]) -> Page:
    """Of whole keys."""
    start = len(_prefix(folder))
    return Page(
        [name[start:-1] for name in prefixes if len(name) > start + 1],
        {
            name[start:]: size
            for name, size in sizes.items()
            if len(name) > start and not name.endswith("/")
        },
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
