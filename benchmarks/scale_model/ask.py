"""What the model says of 10^6 to 10^9 cells a day: predictions, no measurements."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from gpu.inputs import SHIPPED
from gpu.measurements import measured, stage

from scale_model.night import Driver, Night, Store, Workers, limits, simulate

Costs = dict[str, dict[str, Any]]

DAY_H = 24
H100_CELLS_PER_S = stage(SHIPPED, "end_to_end")
CELL_BYTES = 1024 * next(
    one["kib_a_cell"] for one in measured()["parts_of_gpu_check"] if "kib_a_cell" in one
)
"""Of the JPEGs that the H100 was measured with."""
LATENCY_S = 0.15
"""To a small object's first byte: 100 to 200 ms, Amazon S3's performance guide."""
GETS_PER_S = 5500
"""At least, of each partitioned prefix: the same guide."""
REQUESTS_AT_ONCE = 64
RANGE_BYTES = 8 << 20
LINK_BYTES_PER_S = 10e9 / 8
"""An assumption: 10 Gbit/s into the cluster."""
SIZES = [10**6, 10**7, 10**8, 10**9]


@dataclass(frozen=True)
class Input:
    """Where cells lie, and how they are listed."""

    name: str
    store: Store
    request_s: float
    list_cell_s: float
    pages_per_cell: float = 0.0


def inputs(costs: Costs) -> list[Input]:
    """Files below a share, an object a cell, shards of a store: that is the choice."""
    of_store = Store(LATENCY_S, 1.0, GETS_PER_S, CELL_BYTES, LINK_BYTES_PER_S)
    ranges = replace(of_store, gets_per_cell=CELL_BYTES / RANGE_BYTES)
    return [
        Input("files of a disk", Store(), 0.0, _value(costs, "list_folder_cell_s")),
        Input(
            "an object a cell", of_store, _value(costs, "get_small_s"),
            _value(costs, "list_page_s") / 1000, 1 / 1000,
        ),
        Input(
            "shards in a store", ranges, _value(costs, "get_range_s"),
            _value(costs, "list_parquet_cell_s"),
        ),
    ]  # fmt: skip


def night(costs: Costs, cells: int, gpus: int, source: Input) -> Night:
    """A driver of this machine's speed and ``gpus`` H100s elsewhere, one worker each."""
    of_ray = costs["ray_driver_part_s"]["value"]
    driver = Driver(
        start_s=_value(costs, "start_s"),
        list_cell_s=source.list_cell_s,
        pages_of_listing=round(cells * source.pages_per_cell),
        part_s=_value(costs, "driver_part_s") if of_ray is None else of_ray,
        part_waits_s=_value(costs, "part_waits_s"),
        patient_s=_value(costs, "report_ahead_patient_s"),
        finish_cell_s=_value(costs, "equal_images_cell_s"),
        finish_patient_s=_value(costs, "report_pages_patient_s"),
    )
    workers = Workers(
        gpus, H100_CELLS_PER_S, requests_at_once=REQUESTS_AT_ONCE, request_s=source.request_s
    )
    grain = max(1, cells // 10**7)
    return Night(cells, driver=driver, workers=workers, store=source.store, grain=grain)


def told(costs: Costs) -> str:
    """The tables of docs/scale.md that are predictions."""
    return "\n\n".join(
        "\n".join(table) for table in (_limits(costs), _days(costs), _mishaps(costs))
    )


def _limits(costs: Costs) -> Iterator[str]:
    yield "What each resource allows by itself, cells/s, for one H100 and for ten"
    yield "| input | GPUs | " + " | ".join(_ORDER) + " | first |"
    yield "|---|---|" + "---|" * (len(_ORDER) + 1)
    for source in inputs(costs):
        for gpus in (1, 10):
            found = limits(night(costs, 10**6, gpus, source))
            told = (_rate(found[name]) for name in _ORDER)
            yield f"| {source.name} | {gpus} | {' | '.join(told)} | {next(iter(found))} |"


_ORDER = [
    "workers", "driver's part thread", "driver's report thread", "latency",
    "workers' request processors", "store's requests", "link",
]  # fmt: skip


def _days(costs: Costs) -> Iterator[str]:
    yield f"Hours of a call, H100s enough for {DAY_H} h by their own rate, and what is moved"
    yield (
        "| cells a day | input | H100s | hours, with one | hours, with ten | of which before the "
        "first cell | after the last | busiest of ten | GETs | LISTs | TB in |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    for cells in SIZES:
        enough = -(-cells // round(H100_CELLS_PER_S * 3600 * DAY_H))
        for source in inputs(costs):
            one, ten = (night(costs, cells, gpus, source) for gpus in (1, 10))
            alone, outcome = simulate(one), simulate(ten)
            before_s = outcome.call_s - outcome.scoring_s - outcome.finish_s
            busiest = max(outcome.busy, key=outcome.busy.__getitem__)
            yield (
                f"| {cells:.0e} | {source.name} | {enough} | {_hours(alone.call_s)} | "
                f"{_hours(outcome.call_s)} | {_hours(before_s)} | {_hours(outcome.finish_s)} | "
                f"{busiest} ({outcome.busy[busiest]:.0%}) | "
                f"{cells * source.store.gets_per_cell:.1e} | {cells * source.pages_per_cell:.1e} | "
                f"{cells * source.store.bytes_per_cell / 1e12:.2f} |"
            )


def _mishaps(costs: Costs) -> Iterator[str]:
    yield "Ten H100s, 10^8 cells on a disk, a driver that holds nothing up, and what may go wrong"
    yield "| what | minutes of scoring | parts scored twice | parts lost |"
    yield "|---|---|---|---|"
    calm = replace(night(costs, 10**8, 10, inputs(costs)[0]), grain=4)
    # So that what goes wrong with workers shows, and not what the driver allows.
    calm = replace(calm, driver=replace(calm.driver, part_s=0.0, part_waits_s=0.0, patient_s=0.0))
    good = calm.workers
    for what, workers in (
        ("nothing", good),
        (
            "a worker in ten is ten times slower",
            replace(good, straggler_share=0.1, straggler_slowdown=10.0),
        ),
        ("a worker is lost each hour of its own", replace(good, hours_between_losses=1.0)),
        ("a worker is lost each six minutes of its own", replace(good, hours_between_losses=0.1)),
    ):
        outcome = simulate(replace(calm, workers=workers))
        yield (
            f"| {what} | {outcome.scoring_s / 60:.1f} | {4 * outcome.parts_again} | "
            f"{4 * outcome.parts_lost} |"
        )


def _value(costs: Costs, name: str) -> float:
    return float(costs[name]["value"])


def _rate(cells_per_s: float) -> str:
    return "-" if cells_per_s == float("inf") else f"{cells_per_s:,.0f}"


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.3g}"
