"""What a person reads after a measurement. Loaded only when a command runs."""

from typing import Any

import click

from bloodcell.bench.record import Record, Row
from bloodcell.console import print_pairs, print_table

_LABELS = {
    "gate": "gate (part of read)",
    "limit": "limit of the stages",
    "end_to_end": "end to end",
    "ratio_to_limit": "end to end / limit",
    "cells_per_day": "end to end",
    "first_result_s": "time to first result",
    "batch_p50_s": "from batch to batch, p50",
    "batch_p99_s": "from batch to batch, p99",
    "start_up_s": "start-up, new process",
    "call_s": "whole call",
    "peak_memory_mib": "peak memory",
    "throughput_drift": "throughput, drift",
    "resident_memory_slope": "resident memory, slope",
}


def print_setting(record: Record) -> None:
    """Print all that the figures depend on."""
    print_pairs({key.replace("_", " "): value for key, value in record.settings.items()})
    print_pairs({key.replace("_", " "): value for key, value in record.machine.items()})
    versions = record.content()["versions"]
    click.echo(", ".join(f"{name} {version}" for name, version in versions.items()))
    click.echo()


def print_run(record: Record) -> None:
    """Print each figure with its spread."""
    rows = [
        (
            _LABELS.get(row["figure"], row["figure"]),
            *(number(row[key]) for key in ("median", "least", "most")),
            row["repeats"],
            row["unit"],
        )
        for row in record.figures
    ]
    print_table(("figure", "median", "least", "most", "repeats", "unit"), rows)


def print_scale(record: Record) -> None:
    """Print every point, then what each series says."""
    columns = (
        "series", "x", "cells", "patients", "batch_size", "threads", "image_format", "image_px",
        "call_s", "after_first_s", "cells_per_s", "peak_memory_mib",
    )  # fmt: skip
    header = tuple(column.replace("_", " ") for column in columns)
    print_table(header, [tuple(number(row[c]) for c in columns) for row in record.measured])
    for verdict in record.verdicts:
        click.echo(_scale_sentence(verdict))


def print_soak(record: Record) -> None:
    """Print trends, then what grew."""
    columns = ("mean", "slope", "low", "high")
    rows = [
        (
            _LABELS.get(row["figure"], row["figure"]),
            *(number(row.get(column)) for column in columns),
            row["unit"],
        )
        for row in record.figures
    ]
    print_table(("figure", "mean", "slope", "95 % from", "to", "unit"), rows)
    for verdict in record.verdicts:
        click.echo(f"{_mark(verdict)} {verdict['what'].replace('_', ' ')}: {verdict['says']}")


def number(value: Any) -> str:
    """A figure in four digits, or whole with its thousands apart; words as they are."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 1000 or isinstance(value, int) else f"{value:.4g}"


def _scale_sentence(verdict: Row) -> str:
    time = f"time grows as x to the power {verdict['time_slope']:.2f}"
    if verdict["time_slope_at_most"] is not None:
        time += f" (at most {verdict['time_slope_at_most']})"
    memory = (
        f"peak memory at {number(verdict['memory_to_x'])} is {verdict['memory_ratio']:.2f} times "
        f"that at {number(verdict['memory_from_x'])}"
    )
    if verdict["memory_ratio_at_most"] is not None:
        memory += f" (at most {verdict['memory_ratio_at_most']})"
    is_held = verdict["time_slope_at_most"] is not None
    return f"{_mark(verdict) if is_held else ' ' * 6} {verdict['series']}: {time}; {memory}"


def _mark(verdict: Row) -> str:
    return "good  " if verdict["good"] else "FAILED"
