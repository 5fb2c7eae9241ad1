"""Kills runs into an object store at random moments and resumes them from the store alone.

    python tests/faults/kills_in_object_store.py [--kills N] [--cells N] [--unsteady SHARE]

The store is moto's S3, in a process of its own. Every run scores its cells as ``kills.py`` does, in
a process forked from this one; it is resumed by another one that finds nothing in the cache, and
the objects it ends with are held against an undisturbed run on a disk, byte for byte.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import boto3
from faults.kills import Bench, new_bench
from helpers.object_stores import BUCKET, ENVIRONMENT

from bloodcell.audit import read_audit

_SERVES = """
import os, sys
from helpers.object_stores import served_store
with served_store() as store:
    store.proxy.unsteady(float(sys.argv[1]))
    store.proxy.latency_s = float(sys.argv[2])
    print(store.proxy.address, store.direct, flush=True)
    sys.stdin.read()
"""


@contextmanager
def served(unsteady: float, latency_s: float = 0.0) -> Iterator[str]:
    """The store's own address; the environment leads to it through a proxy."""
    words = [sys.executable, "-c", _SERVES, str(unsteady), str(latency_s)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env=environment,
    ) as server:  # fmt: skip
        assert server.stdout
        address, direct = server.stdout.readline().split()
        os.environ.update(ENVIRONMENT, AWS_ENDPOINT_URL=address)
        try:
            yield direct
        finally:
            server.communicate()


def copy_of(direct: str, prefix: str, folder: Path) -> None:
    """Bring the objects below ``prefix`` to ``folder``."""
    client = boto3.client("s3", endpoint_url=direct)
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix):
        for one in page.get("Contents", []):
            path = folder / one["Key"][len(prefix) :]
            path.parent.mkdir(parents=True, exist_ok=True)
            client.download_file(BUCKET, one["Key"], str(path))


def digests(folder: Path) -> dict[str, str]:
    """Of what must not depend on a kill."""
    paths = [*folder.glob("cells/*"), *folder.glob("patients.*"), folder / "manifest.parquet"]
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in sorted(paths)}


def ended(bench: Bench, url: str, kill_after_s: float | None) -> bool:
    """Score, or resume, at ``url`` with an empty cache; whether it was killed."""
    cache = bench.scratch / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    os.environ["XDG_CACHE_HOME"] = str(cache)
    child = bench.start(url)
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL), f"{url} does not resume: {status}"
    if status == 0:
        left = [path for path in (cache / "bloodcell" / "runs").glob("*/*") if path.is_file()]
        assert not left, left
    return status != 0


def main() -> None:
    """Kill and resume as often as asked; prints counts, exits 1 if an end differs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--cells", type=int, default=2000)
    parser.add_argument("--unsteady", type=float, default=0.0, help="share of requests spoiled")
    arguments = parser.parse_args()
    ends: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as scratch, served(arguments.unsteady) as direct:
        bench = new_bench(Path(scratch), arguments.cells, rows_per_part=arguments.cells // 20)
        bench.finish(bench.scratch / "right")
        right = digests(bench.scratch / "right")
        began = time.monotonic()
        ended(bench, f"s3://{BUCKET}/whole", None)
        whole_s = time.monotonic() - began
        for number in range(arguments.kills):
            prefix, out = f"killed-{number}/", bench.scratch / "copy"
            url = f"s3://{BUCKET}/{prefix[:-1]}"
            was_killed = ended(bench, url, random.uniform(0.1, 1) * whole_s)
            copy_of(direct, prefix, out)
            parts = len(list(out.glob("cells/*")))
            ends["killed" if was_killed else "ended before"] += 1
            ends["with some parts"] += 0 < parts < len(right) - 3
            shutil.rmtree(out, ignore_errors=True)
            assert not ended(bench, url, None)
            copy_of(direct, prefix, out)
            list(read_audit(out / "audit.jsonl"))
            is_equal = digests(out) == right and not (out / ".holder").exists()
            ends["equal" if is_equal else "DIFFERENT"] += 1
            shutil.rmtree(out)
        print(f"{arguments.kills} runs of {arguments.cells} cells: {dict(ends)}", flush=True)
    sys.exit(ends["equal"] != arguments.kills)


if __name__ == "__main__":
    main()
