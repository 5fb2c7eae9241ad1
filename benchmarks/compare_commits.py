"""Two commits against each other on this machine: `make bench-compare REV=<commit>`.

Each commit is checked out into a worktree of its own and installed into an environment of its own,
which finds the libraries in this one's: only bloodcell differs. Then the same work is done by the
one and by the other in turn, each time in a new process: gate and accumulator alone, and a whole
`bloodcell score`. What is not committed is not measured. Worktrees and environments are removed
at the end, also when it is interrupted; what was measured by then is printed.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow.parquet as pq

from bloodcell.bench.statistics import spread
from bloodcell.errors import BloodcellError, EngineError, InputError
from bloodcell.phantom import write_phantoms
from bloodcell.printed.tables import print_table

TREE = Path(__file__).resolve().parents[1]
PROBE = TREE / "benchmarks" / "commit_probe.py"
CELLS = {"gate": 20_000, "accumulate": 2_000_000}
"""Cells that each piece works on; those to score are an option."""
PATIENTS = 4
INTERRUPTED = 4


def main() -> int:
    options = parsed_options()
    rows: list[dict[str, Any]] = []
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    status = 0
    try:
        cells = CELLS | {"score": options.cells}
        compare(options.old, options.new, options.rounds, cells, rows)
    except KeyboardInterrupt:
        print("compare-commits: interrupted", file=sys.stderr)
        status = INTERRUPTED
    except (BloodcellError, OSError) as error:
        print(f"compare-commits: {error}", file=sys.stderr)
        status = 1
    if rows:
        print_summary(rows)
    return status


def parsed_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare the speed of two commits, in turn.")
    parser.add_argument("old", help="a commit, branch or tag")
    parser.add_argument("new", nargs="?", default="HEAD", help="default: HEAD")
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument("--cells", type=int, default=512, help="cells to score; default: 512")
    return parser.parse_args()


def compare(
    old: str, new: str, rounds: int, cells: dict[str, int], rows: list[dict[str, Any]]
) -> None:
    """Append a row for each round and piece of `cells` to `rows`, as soon as it is measured."""
    commits = {"old": commit_of(TREE, old), "new": commit_of(TREE, new)}
    if git(TREE, "status", "--porcelain", "--untracked-files=no"):
        print("what is not committed is not measured", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="compare-commits-") as name:
        scratch, pythons = Path(name), {}
        for side, commit in commits.items():
            print(f"{side}: {git(TREE, 'log', '-1', '--format=%h %s', commit)}; installing")
            with checked_out(TREE, commit, scratch / f"tree-{side}") as tree:
                pythons[side] = installed(tree, scratch / f"environment-{side}")
        images = scratch / "drawn"
        write_phantoms(images, patients=PATIENTS, cells=-(-cells["score"] // PATIENTS))
        for number in range(1, rounds + 1):
            for piece, count in cells.items():
                results = [measured(pythons[side], piece, images, count) for side in commits]
                rows.append({"round": number, "piece": piece, **one_row(*results)})
                print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)


def commit_of(tree: Path, name: str) -> str:
    try:
        return git(tree, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    except EngineError as error:
        raise InputError(f"{name!r} is no commit, branch or tag of {tree}") from error


@contextmanager
def checked_out(tree: Path, commit: str, folder: Path) -> Iterator[Path]:
    """`commit` of the repository `tree` as a worktree in the new folder `folder`."""
    git(tree, "worktree", "add", "--detach", "--quiet", str(folder), commit)
    try:
        yield folder
    finally:
        git(tree, "worktree", "remove", "--force", str(folder))


def installed(tree: Path, environment: Path) -> Path:
    """Install `tree` into a new virtual environment; returns its interpreter."""
    run(sys.executable, "-m", "venv", "--without-pip", environment)
    python = environment / "bin" / "python"
    options = ("--quiet", "--disable-pip-version-check", "--no-deps")
    run(sys.executable, "-m", "pip", "--python", python, "install", *options, tree)
    # Only now: pip must not take the bloodcell of this environment for one to replace.
    lend_libraries(environment)
    return python


def lend_libraries(environment: Path) -> None:
    """Let it find what is installed here, behind what it has itself.

    By a path file, which adds a folder without looking for path files in it: what is installed
    here by one of these, as this tree is by `pip install -e`, stays unseen.
    """
    (own_packages(environment) / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")


def own_packages(environment: Path) -> Path:
    there = {"base": str(environment), "platbase": str(environment)}
    return Path(sysconfig.get_path("purelib", vars=there))


def one_row(old: tuple[float, list[Any]], new: tuple[float, list[Any]]) -> dict[str, float]:
    """Of two results of `measured`."""
    (old_s, old_answers), (new_s, new_answers) = old, new
    return {
        "old_s": round(old_s, 5),
        "new_s": round(new_s, 5),
        "ratio": round(old_s / new_s, 4),
        "same_answers": share_alike(old_answers, new_answers),
    }


def measured(python: Path, piece: str, images: Path, cells: int) -> tuple[float, list[Any]]:
    """Seconds and the answer of one piece, done by the bloodcell of `python`."""
    if piece == "score":
        return scored(python, images)
    result = json.loads(run(python, "-I", PROBE, piece, cells, images))
    return result["elapsed_s"], result["answer"]


def scored(python: Path, images: Path) -> tuple[float, list[str]]:
    """A whole process of `bloodcell score`: seconds, and the class of each cell."""
    out = images.with_name("run")
    started = time.perf_counter()
    run(python, "-I", python.with_name("bloodcell"), "score", images, "--out", out)
    elapsed_s = time.perf_counter() - started
    parts = sorted((out / "cells").glob("part-*.parquet"))
    classes = [value for part in parts for value in pq.read_table(part)["class"].to_pylist()]
    shutil.rmtree(out)
    return elapsed_s, classes


def share_alike(old: Sequence[object], new: Sequence[object]) -> float:
    """Share of the answers that are equal; 0 if there are not as many."""
    if len(old) != len(new):
        return 0.0
    return round(sum(a == b for a, b in zip(old, new, strict=True)) / len(old), 4)


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a piece: median seconds, and the ratios pair by pair, above 1 where new is faster."""
    pieces = []
    for piece in dict.fromkeys(row["piece"] for row in rows):
        own = [row for row in rows if row["piece"] == piece]
        pieces.append(
            {
                "piece": piece,
                "old_s": median(row["old_s"] for row in own),
                "new_s": median(row["new_s"] for row in own),
                "ratio": spread([row["ratio"] for row in own]),
                "same_answers": min(row["same_answers"] for row in own),
            }
        )
    return pieces


def print_summary(rows: list[dict[str, Any]]) -> None:
    header = ("piece", "old s", "new s", "old/new", "least", "most", "rounds", "same answers")
    lines = [
        (
            row["piece"],
            *(f"{row[side]:.4f}" for side in ("old_s", "new_s")),
            *(f"{row['ratio'][key]:.3f}" for key in ("median", "least", "most")),
            row["ratio"]["repeats"],
            f"{100 * row['same_answers']:.1f} %",
        )
        for row in summary(rows)
    ]
    print()
    print_table(header, lines)


def git(tree: Path, *words: str) -> str:
    return run("git", "-C", tree, *words).strip()


def run(*words: object) -> str:
    """Standard output of a command; EngineError with its last words if it fails."""
    constraints = os.environ | {"PIP_BUILD_CONSTRAINT": str(TREE / "constraints.txt")}
    command = [str(word) for word in words]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=constraints)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["without a word"])[-1]
        raise EngineError(f"{' '.join(command[:4])} ... failed: {last}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
