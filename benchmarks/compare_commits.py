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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow.parquet as pq

from bloodcell.bench.statistics import spread
from bloodcell.errors import BloodcellError, EngineError, InputError
from bloodcell.phantom import write_phantoms

TREE = Path(__file__).resolve().parents[1]
PROBE = TREE / "benchmarks" / "commit_probe.py"
PIECES = ("gate", "accumulate", "score")
PATIENTS = 4
INTERRUPTED = 4


@dataclass(frozen=True)
class Sizes:
    """Cells that each piece works on."""

    score: int
    gate: int = 20_000
    accumulate: int = 2_000_000


def main() -> int:
    options = parsed_options()
    rows: list[dict[str, Any]] = []
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    status = 0
    try:
        compare(options.old, options.new, options.rounds, Sizes(options.cells), rows)
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


def compare(old: str, new: str, rounds: int, sizes: Sizes, rows: list[dict[str, Any]]) -> None:
    """Append a row for each round and piece to `rows`, as soon as it is measured."""
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
        write_phantoms(images, patients=PATIENTS, cells=-(-sizes.score // PATIENTS))
        for number in range(1, rounds + 1):
            for piece in PIECES:
                rows.append(one_row(number, piece, pythons, images, sizes))
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
    run(sys.executable, "-m", "venv", "--without-pip", str(environment))
    python = environment / "bin" / "python"
    run(
        *(sys.executable, "-m", "pip", "--python", str(python), "install"),
        *("--quiet", "--disable-pip-version-check", "--no-deps", str(tree)),
    )
    # Only now: pip must not take the bloodcell of this environment for one to replace.
    lend_libraries(environment)
    return python


def lend_libraries(environment: Path) -> None:
    """Let it find what is installed here, behind what it has itself.

    By a path file, which adds a folder without looking for path files in it: what is installed
    here by one of these, as this tree is by `pip install -e`, is not found.
    """
    (own_packages(environment) / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")


def own_packages(environment: Path) -> Path:
    there = {"base": str(environment), "platbase": str(environment)}
    return Path(sysconfig.get_path("purelib", vars=there))


def one_row(
    number: int, piece: str, pythons: dict[str, Path], images: Path, sizes: Sizes
) -> dict[str, Any]:
    results = {side: measured(python, piece, images, sizes) for side, python in pythons.items()}
    times = {side: elapsed_s for side, (elapsed_s, _) in results.items()}
    return {
        "round": number,
        "piece": piece,
        "old_s": round(times["old"], 5),
        "new_s": round(times["new"], 5),
        "ratio": round(times["old"] / times["new"], 4),
        "same_answers": share_alike(results["old"][1], results["new"][1]),
    }


def measured(python: Path, piece: str, images: Path, sizes: Sizes) -> tuple[float, list[Any]]:
    """Seconds and the answer of one piece, done by the bloodcell of `python`."""
    if piece == "score":
        return scored(python, images)
    cells = str(getattr(sizes, piece))
    result = json.loads(run(str(python), "-I", str(PROBE), piece, cells, str(images)))
    return result["elapsed_s"], result["answer"]


def scored(python: Path, images: Path) -> tuple[float, list[str]]:
    """A whole process of `bloodcell score`: seconds, and the class of each cell."""
    out = images.with_name("run")
    started = time.perf_counter()
    run(
        str(python),
        "-I",
        str(python.with_name("bloodcell")),
        "score",
        str(images),
        "--out",
        str(out),
    )
    elapsed_s = time.perf_counter() - started
    parts = sorted((out / "cells").glob("part-*.parquet"))
    classes = [value for part in parts for value in pq.read_table(part)["class"].to_pylist()]
    shutil.rmtree(out)
    return elapsed_s, classes


def share_alike(old: list[Any], new: list[Any]) -> float:
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
    print(f"\n{'piece':12}{'old s':>10}{'new s':>10}{'old/new':>10}{'least':>8}{'most':>8}", end="")
    print(f"{'rounds':>8}{'same answers':>14}")
    for row in summary(rows):
        ratio = row["ratio"]
        print(f"{row['piece']:12}{row['old_s']:10.4f}{row['new_s']:10.4f}", end="")
        print(f"{ratio['median']:10.3f}{ratio['least']:8.3f}{ratio['most']:8.3f}", end="")
        print(f"{ratio['repeats']:8}{100 * row['same_answers']:12.1f} %")


def git(tree: Path, *words: str) -> str:
    return run("git", "-C", str(tree), *words).strip()


def run(*words: str) -> str:
    """Standard output of a command; EngineError with its last words if it fails."""
    constraints = os.environ | {"PIP_BUILD_CONSTRAINT": str(TREE / "constraints.txt")}
    done = subprocess.run(words, check=False, capture_output=True, text=True, env=constraints)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["without a word"])[-1]
        raise EngineError(f"{' '.join(words[:4])} ... failed: {last}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
