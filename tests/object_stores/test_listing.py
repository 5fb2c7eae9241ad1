"""What lies in an object store is listed row by row as the same tree on a disk is."""

import csv
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.object_stores import BUCKET, Store
from helpers.tar_shards import pack

from bloodcell.engine.object_store import Place, place_of
from bloodcell.errors import InputError
from bloodcell.input.first_look import check_source
from bloodcell.input.manifest import freeze_manifest

ODD_NAMES = (
    "a b.jpg",
    "ü.jpg",
    "100%.jpg",
    "a+b.jpg",
    "a#b.jpg",
    "a?b.jpg",
    "%2F.jpg",
    r"\x5c.jpg",
)


def write(folder: Path, *paths: str) -> Path:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(path.encode())
    return folder


def frozen(source: Place, tmp_path: Path) -> tuple[pa.Table, dict[str, int]]:
    target = tmp_path / "frozen.parquet"
    check_source(source)
    left_out = freeze_manifest(source, target, rows_per_group=3)
    return pq.read_table(target), left_out


def same(store: Store, source: Path, tmp_path: Path) -> list[str]:
    """The paths that are listed, if the store lists what the disk does."""
    prefix = f"listing/{tmp_path.name}"
    folder = source if source.is_dir() else source.parent
    url = store.put_tree(folder, prefix)
    there = place_of(url if source.is_dir() else f"{url}/{source.name}")
    on_disk, in_store = frozen(source, tmp_path), frozen(there, tmp_path)
    assert in_store[0].equals(on_disk[0])
    assert in_store[1] == on_disk[1]
    return list(in_store[0]["path"].to_pylist())


def test_patients_folders(store: Store, tmp_path: Path) -> None:
    names = [f"anna/{name}" for name in ODD_NAMES]
    odd = ["a-b/1.jpg", "a/z.jpg", "a/b/c.jpg", "A/1.txt", "a/.DS_Store", "a/@eaDir/1/2.jpg"]
    smears = write(tmp_path / "smears", *names, *odd, ".DS_Store", "@eaDir/a/1.jpg", "readme.txt")
    paths = same(store, smears, tmp_path)
    assert paths[:4] == ["A/1.txt", "a/b/c.jpg", "a/z.jpg", "a-b/1.jpg"]
    assert "anna/100%.jpg" in paths


def test_one_patient(store: Store, tmp_path: Path) -> None:
    # The patient is called as the folder, which is called alike in the store.
    folder = write(tmp_path / tmp_path.name, "1.jpg", "2.png", "Thumbs.db")
    assert same(store, folder, tmp_path) == ["1.jpg", "2.png"]


def test_shards(store: Store, tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    pack(shards / "one.tar", {f"anna/{name}": name.encode() for name in ODD_NAMES[:-1]})
    pack(
        shards / "two.tar", {"berta/1.jpg": bytes(300_000), "berta/note.txt": b"", "c/2.jpg": b"2"}
    )
    assert len(same(store, shards, tmp_path)) == 9
    assert len(same(store, shards / "two.tar", tmp_path)) == 2


@pytest.mark.parametrize("name", ["cells.csv", "cells.parquet", "utf16.csv"])
def test_manifests(store: Store, tmp_path: Path, name: str) -> None:
    folder = write(tmp_path / "set", *ODD_NAMES)
    rows = [[path, f"patient {place}", place] for place, path in enumerate(ODD_NAMES)]
    if name == "cells.parquet":
        columns = dict(zip(("path", "patient", "slide"), zip(*rows, strict=True), strict=True))
        pq.write_table(pa.table({k: list(v) for k, v in columns.items()}), folder / name)
    else:
        encoding = "utf-16" if name == "utf16.csv" else "utf-8"
        with (folder / name).open("w", encoding=encoding, newline="") as file:
            csv.writer(file).writerows([["path", "patient", "slide"], *rows])
    assert same(store, folder / name, tmp_path) == list(ODD_NAMES)


def test_more_keys_than_a_page_has(store: Store, tmp_path: Path) -> None:
    store.put_many(f"many/p/{place:04d}.jpg" for place in range(1003))
    store.proxy.unsteady(0.2)
    table, _ = frozen(place_of(f"s3://{BUCKET}/many"), tmp_path)
    assert table["path"].to_pylist() == [f"p/{place:04d}.jpg" for place in range(1003)]
    assert store.proxy.requests["list"] >= 4


def test_many_patients_are_listed_in_order_while_the_store_is_unsteady(
    store: Store, tmp_path: Path
) -> None:
    smears = write(tmp_path / "smears", *[f"{p:03d}/{c}.jpg" for p in range(40) for c in range(2)])
    store.proxy.unsteady(0.2)
    assert len(same(store, smears, tmp_path)) == 80
    assert store.proxy.spoiled


def test_large_members_are_passed_over(store: Store, tmp_path: Path) -> None:
    size = 3 << 20
    shard = pack(tmp_path / "large.tar", {f"a/{place}.tif": bytes(size) for place in range(4)})
    url = store.put("large/large.tar", shard.read_bytes())
    table, _ = frozen(place_of(url), tmp_path)
    assert table.num_rows == 4
    assert store.proxy.bytes_sent < size


@pytest.mark.parametrize(
    ("name", "keys", "words"),
    [
        ("none", [], "none holds no cells"),
        ("images", ["a/1.jpg", "2.jpg"], "holds 1 images beside its patients' folders"),
        ("shards", ["a/1.jpg", "2.tar"], "holds tar shards"),
        ("alike", ["a/\u00fc.jpg", "a/u\u0308.jpg"], "in two spellings"),
    ],
)
def test_what_would_be_miscounted_is_refused(
    store: Store, tmp_path: Path, name: str, keys: list[str], words: str
) -> None:
    for key in keys:
        store.put(f"refused/{name}/{key}", b"")
    with pytest.raises(InputError, match=words):
        frozen(place_of(f"s3://{BUCKET}/refused/{name}"), tmp_path)


@pytest.mark.parametrize("path", ["/a.jpg", "../a.jpg", "s3://cells/a.jpg"])
def test_a_manifest_lists_what_is_below_it(store: Store, tmp_path: Path, path: str) -> None:
    url = store.put("above/cells.csv", f"path,patient\n{path},p\n".encode())
    with pytest.raises(InputError, match=r"cells.csv lists .*: paths are relative to the manifest"):
        frozen(place_of(url), tmp_path)


def test_a_file_url_is_a_path(tmp_path: Path) -> None:
    assert place_of(f"file://{tmp_path}") == tmp_path
