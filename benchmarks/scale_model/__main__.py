"""`python benchmarks/scale_model costs|store|check|ask`."""

import argparse
import json
import os
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

_HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(_HERE.parent), str(_HERE.parents[1] / "tests")]

COSTS = _HERE / "costs.json"


def main() -> None:
    parser = argparse.ArgumentParser(description="The cost model of docs/scale.md.")
    parser.add_argument("what", choices=["costs", "store", "check", "ask"])
    parser.add_argument("--cells", type=int, nargs="+", default=[10**4, 10**5, 10**6])
    asked = parser.parse_args()
    if asked.what == "ask":
        from scale_model import ask

        print(ask.told(costs()))
        return
    with tempfile.TemporaryDirectory(prefix="scale-model-") as scratch:
        if asked.what == "costs":
            from scale_model.costs import measured_costs

            keep(measured_costs(Path(scratch)))
        elif asked.what == "store":
            from scale_model.store_costs import measured_costs as store_costs

            keep(store_costs())
        else:
            from scale_model import check

            check.run(costs(), asked.cells, Path(scratch))


def costs() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(COSTS.read_text())["costs"]
    return found


def keep(measured: dict[str, dict[str, Any]]) -> None:
    """Put what was measured into the file, beside what another command measured."""
    from bloodcell.bench.machine import machine

    about = machine()
    for name, one in measured.items():
        one |= {"measured": date.today().isoformat(), "load_average": round(os.getloadavg()[0], 1)}
        print(f"{name:28} {one['value']:<12} {one['unit']}")
    kept = json.loads(COSTS.read_text()) if COSTS.exists() else {"costs": {}}
    kept = {"machine": about, "costs": kept["costs"] | measured}
    COSTS.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
