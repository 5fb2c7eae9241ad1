"""Small runs of drawn cells into a store: the objects that there are, scored in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import bloodcell
from bloodcell import scoring
from bloodcell.bench.stand_in import write_stand_in
from bloodcell.engine import object_store
from bloodcell.mirror.objects import RunObjects
from helpers.drawn_runs import ROWS_PER_PART
from helpers.local_scorer import LocalScorer
from helpers.object_stores import BUCKET, Store

OF_RESULTS = ("cells/", "manifest.parquet", "patients.", "report/images/", "report/assets/")
"""Beginnings of names of files that are the same whenever and however a run is done."""


def objects_of(store: Store, prefix: str) -> dict[str, bytes]:
    """What lies below ``prefix``, by name."""
    client = store.client
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{prefix}/")
    keys = [one["Key"] for page in pages for one in page.get("Contents", [])]
    return {
        key[len(prefix) + 1 :]: client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        for key in keys
    }


def files_of(folder: Path) -> dict[str, bytes]:
    """Likewise of a folder."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def results(contents: dict[str, bytes]) -> dict[str, bytes]:
    return {name: one for name, one in contents.items() if name.startswith(OF_RESULTS)}


def restore(store: Store, prefix: str, contents: dict[str, bytes]) -> str:
    """Make the objects below ``prefix`` these; returns the URL."""
    for name in objects_of(store, prefix).keys() - contents.keys():
        store.client.delete_object(Bucket=BUCKET, Key=f"{prefix}/{name}")
    for name, content in contents.items():
        store.put(f"{prefix}/{name}", content)
    return f"s3://{BUCKET}/{prefix}"


class Jobs:
    """Scores the same cells by a network that costs next to nothing, in small parts, here."""

    def __init__(self, smears: Path, scratch: Path) -> None:
        self.smears, self.model = smears, write_stand_in(scratch / "model")

    def score(self, out: Path | str, **options: Any) -> bloodcell.Run:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(scoring, "ROWS_PER_PART", ROWS_PER_PART)
            patch.setattr(scoring, "open_scorer", LocalScorer)
            return bloodcell.score(
                self.smears, out, self.model, "onnxruntime", threads=1, batch_size=5, **options
            )


@contextmanager
def noting_puts() -> Iterator[list[tuple[str, bytes]]]:
    """The objects that are put in a block, in the order in which they are begun."""
    puts: list[tuple[str, bytes]] = []
    put, put_bytes = RunObjects.put, RunObjects.put_bytes

    def note_put(self: RunObjects, name: str, path: Path) -> Any:
        puts.append((name, path.read_bytes()))
        return put(self, name, path)

    def note_bytes(self: RunObjects, name: str, content: bytes) -> Any:
        puts.append((name, content))
        return put_bytes(self, name, content)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunObjects, "put", note_put)
        patch.setattr(RunObjects, "put_bytes", note_bytes)
        yield puts


@contextmanager
def impatient() -> Iterator[None]:
    """In a block, what fails twice has failed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(object_store, "_MOST_TRIES", 2)
        yield
