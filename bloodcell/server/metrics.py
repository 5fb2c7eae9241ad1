"""What is counted for Prometheus: numbers alone, no name of a patient."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

if TYPE_CHECKING:
    from bloodcell.live import CellResult

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """Of one server, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.cells = Counter(
            "bloodcell_cells", "Cells that have their end.", ["status", "reason"],
            registry=self._registry,
        )  # fmt: skip
        self.requests = Counter(
            "bloodcell_requests", "Calls that are answered, or given up by their client.",
            ["protocol", "call", "code"], registry=self._registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "bloodcell_request_seconds", "From a call's arrival to its answer.",
            ["protocol", "call"], buckets=_SECONDS, registry=self._registry,
        )  # fmt: skip

    def gauge(self, name: str, what: str, value: Callable[[], float]) -> None:
        """Show what ``value`` returns whenever it is looked at."""
        Gauge(name, what, registry=self._registry).set_function(value)

    def count_cell(self, cell: "Future[CellResult]") -> None:
        """A cell that has its end, whichever; from any thread."""
        if cell.cancelled():
            status, reason = "cancelled", ""
        elif cell.exception() is not None:
            status, reason = "failed", ""
        else:
            status, reason = cell.result().status, cell.result().reason or ""
        self.cells.labels(status, reason).inc()

    def text(self) -> bytes:
        """In Prometheus's text format."""
        return generate_latest(self._registry)


def total(counter: Counter) -> int:
    """A counter's value, all labels together."""
    samples = (one for metric in counter.collect() for one in metric.samples)
    return int(sum(one.value for one in samples if one.name.endswith("_total")))
