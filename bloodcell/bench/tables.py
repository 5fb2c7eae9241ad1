"""What a person reads after a measurement. Loaded only when a command runs."""

from typing import Any

import click

from bloodcell.bench.record import Record, Row
from bloodcell.printed.tables import print_table
from bloodcell.printed.values import print_pairs

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
    "low": "95 % from",
    "high": "to",
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
    _print_figures(record, ("median", "least", "most", "repeats"))


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
    _print_figures(record, ("mean", "slope", "low", "high"))
    for verdict in record.verdicts:
        click.echo(f"{_mark(verdict)} {verdict['what'].replace('_', ' ')}: {verdict['says']}")


def print_peers(record: Record) -> None:
    """Print each contender's speed, how many times as fast bloodcell was, and who did not run."""
    ran = [row for row in record.figures if "cells_per_s" in row]
    rows = [
        (
            row["contender"],
            *(number(row["cells_per_s"][key]) for key in ("median", "least", "most")),
            *(number((row["ratio"] or {}).get(key)) for key in ("median", "least", "most")),
            f"{100 * row['same_class']:.1f} %",
        )
        for row in ran
    ]
    speeds = ("cells/s", "least", "most", "ratio", "least", "most")
    print_table(("contender", *speeds, "same class"), rows)
    for row in record.figures:
        if "why_not" in row:
            click.echo(f"not measured: {row['contender']}: {row['why_not']}")
    for verdict in record.verdicts:
        if not verdict["good"]:
            click.echo(f"FAILED {verdict['what']}: {verdict['says']}")
    click.echo(
        f"From files to classes; medians of {ran[0]['cells_per_s']['repeats']} round(s). Ratio: "
        "bloodcell's cells/s to the contender's in the same round. bloodcell's time is the whole "
        "call's: it also loads the network, writes the run and the report, and counts the "
        "patients; the others, loaded before, give classes alone."
    )


def _print_figures(record: Record, columns: tuple[str, ...]) -> None:
    rows = [
        (
            _LABELS.get(row["figure"], row["figure"]),
            *(number(row.get(column)) for column in columns),
            row["unit"],
        )
        for row in record.figures
    ]
    header = (_LABELS.get(column, column) for column in columns)
    print_table(("figure", *header, "unit"), rows)


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
