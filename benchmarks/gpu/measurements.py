"""The figures of an H100 that predictions and pretended devices rest on, and their source."""

import json
from pathlib import Path
from statistics import median
from typing import Any

H100 = Path(__file__).parent / "measured" / "h100-2026-11-26.json"


def measured(path: Path = H100) -> dict[str, Any]:
    """What the file holds; ``source`` says how it came about."""
    figures: dict[str, Any] = json.loads(path.read_text())
    return figures


def stage(network: str, name: str) -> float:
    """Cells/s of a stage alone, or ``end_to_end``, of the first entry for ``network``."""
    entries = measured()["parts_of_gpu_check"]
    entry = next(one for one in entries if one.get("network") == network)
    return float(entry["cells_per_s"][name]["median"])


def decoders_side_by_side(kinds: list[str]) -> float:
    """Cells/s of JPEG decoders of these kinds at once: ``c``, CUDA, or ``h``, hardware; threads."""
    trials = measured()["trials_of_another_hour"]
    trial = next(one for one in trials if one.get("kinds") == kinds and one["exp"] == "decode2")
    return float(median(trial["per_s"]))
