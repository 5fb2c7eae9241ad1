"""`python benchmarks/gpu`, from a plain copied tree too: nothing of it need be installed."""

import sys
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]

if __name__ == "__main__":
    # In place of this folder, whose modules are those of the package `gpu`.
    sys.path[:1] = [str(TREE), str(TREE / "benchmarks")]
    from gpu.check import main

    sys.exit(main(sys.argv[1:]))
