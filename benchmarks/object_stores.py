"""Measures scoring from an object store that answers after 50 ms against scoring from a disk.

    python benchmarks/object_stores.py [CELLS]

The store is moto's, on this machine, behind a proxy that waits; the same network scores the same
cells. What store and proxy compute is taken from the same cores: so each is measured answering at
once, too, and what latency costs is the ratio of the two.
"""

import argparse
import logging
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from helpers.object_stores import BUCKET, Store, served_store
from helpers.tar_shards import pack

import bloodcell
from bloodcell.engine.object_store import place_of
from bloodcell.input.manifest import freeze_manifest
from bloodcell.phantom import write_phantoms

LATENCY_S = 0.05
KEYS = 4_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cells", type=int, nargs="?", default=600, metavar="CELLS")
    cells = parser.parse_args().cells
    logging.getLogger("bloodcell").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder, served_store() as store:
        below = Path(folder)
        smears, shards = below / "smears", below / "shards"
        write_phantoms(smears, patients=6, cells=cells // 6, image_format="jpeg", seed=5)
        images = {p.relative_to(smears).as_posix(): p for p in sorted(smears.glob("*/*.jpg"))}
        pack(shards / "smears.tar", {name: path.read_bytes() for name, path in images.items()})
        there, shards_there = store.put_tree(smears, "smears"), store.put_tree(shards, "shards")
        rates = {
            "disk": speed(store, smears, below / "1", cells),
            "folder, at once": speed(store, there, below / "2", cells, latency_s=0),
            "folder": speed(store, there, below / "3", cells),
            "shards, at once": speed(store, shards_there, below / "4", cells, latency_s=0),
            "shards": speed(store, shards_there, below / "5", cells),
        }
        for name, rate in rates.items():
            print(f"{name}: {rate / rates['disk']:.2f} of the disk's")
        list_keys(store, below / "frozen.parquet")


def speed(
    store: Store, source: str | Path, out: Path, cells: int, latency_s: float = LATENCY_S
) -> float:
    """Cells a second while cells are scored, as run.json has it."""
    store.proxy.steady()
    store.proxy.latency_s = latency_s
    run = bloodcell.score(source, out)
    assert run.record.session
    assert run.record.counts
    assert run.record.counts.cells == cells
    asked = {kind: round(count / cells, 3) for kind, count in store.proxy.requests.items()}
    print(f"{source}: {run.record.session.cells_per_s} cells/s; requests a cell: {asked}")
    return run.record.session.cells_per_s


def list_keys(store: Store, target: Path) -> None:
    store.put_many(f"keys/{place % 4}/{place}.jpg" for place in range(KEYS))
    store.proxy.steady()
    freeze_manifest(place_of(f"s3://{BUCKET}/keys"), target, 65536)
    print(f"listing {KEYS} keys of 4 patients: {store.proxy.requests.total()} requests")


if __name__ == "__main__":
    main()
