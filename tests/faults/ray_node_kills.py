"""Kills a Ray node at a random moment of each run, and compares what comes of it.

    python tests/faults/ray_node_kills.py [--runs N] [--cells N]

Each run scores its cells (links to a few drawn ones) by a network that costs next to nothing, on a
cluster of this machine: a head, two nodes that stay, and one that is added before and killed, with
all that runs there, somewhere between the run's beginning and its end.
"""

import argparse
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from faults.kills import new_bench
from helpers.drawn_runs import digests
from helpers.ray_nodes import Nodes


class Killing(threading.Timer):
    """A timer that may be told several times to begin."""

    def __call__(self, *_progress: int) -> None:
        if not self.is_alive() and not self.finished.is_set():
            self.start()


def main() -> None:
    """Kill as often as asked; prints counts, exits 1 if a row is lost, double or other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--cells", type=int, default=6000)
    arguments = parser.parse_args()
    ends: Counter[str] = Counter(lost=0, double=0)
    with tempfile.TemporaryDirectory() as folder, Nodes() as nodes:
        from bloodcell import scoring
        from bloodcell.ray.library import load_ray

        bench = new_bench(Path(folder), arguments.cells, rows_per_part=arguments.cells // 20)
        scoring.ROWS_PER_PART = bench.rows_per_part
        options = {"model": bench.model, "backend": "onnxruntime"}
        right = digests(scoring.score(bench.source, bench.scratch / "right", **options).folder)
        for _ in range(2):
            nodes.add()
        load_ray().init(nodes.address, log_to_driver=False, logging_level="CRITICAL")
        began = time.monotonic()
        undisturbed = scoring.score(bench.source, bench.scratch / "whole", on="ray", **options)
        whole_s = time.monotonic() - began
        scoring_s = undisturbed.record.session.elapsed_s
        print(f"undisturbed: {whole_s:.1f} s, of them {scoring_s:.1f} s of scoring", flush=True)
        for number in range(1, arguments.runs + 1):
            out = bench.scratch / "killed"
            doomed = nodes.add()
            killing = Killing(random.uniform(0, scoring_s), nodes.kill, [doomed])
            if number % 4 == 0:
                # At any moment of the run; else while cells are scored, which is less of it.
                killing.interval = random.uniform(0, whole_s)
                killing()
            run = scoring.score(bench.source, out, on="ray", progress=killing, **options)
            ends["killed during the run" if killing.finished.is_set() else "ended before"] += 1
            killing.join()
            rows = Counter(run.cells(["row"])["row"].to_pylist())
            ends["lost"] += arguments.cells - len(rows)
            ends["double"] += rows.total() - len(rows)
            ends["equal" if digests(out) == right else "DIFFERENT"] += 1
            restarts = (out / "audit.jsonl").read_text().count('"event": "restart"')
            ends["whose actor was lost at work"] += restarts > 0
            shutil.rmtree(out)
            print(f"{number} of {arguments.runs} runs: {dict(ends)}", flush=True)
        load_ray().shutdown()
    sys.exit(ends["equal"] != arguments.runs or ends["lost"] + ends["double"] > 0)


if __name__ == "__main__":
    main()
