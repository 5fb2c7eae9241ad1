"""`bloodcell serve` beside the engine in this process: RGB in shared memory, requests over gRPC.

Server and clients are processes of their own on the same cores, so what they cost is in the ratio.
Printed: throughput of both in turn and their ratio, then latency at shares of the server's peak,
cells coming one by one at random (Poisson) from two clients, from when each was due.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.pool import Pool
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt
import psutil
import pyarrow as pa
import pytest
import tritonclient.grpc as triton
import tritonclient.utils.shared_memory as memory
from helpers.served_engine import ServedEngine
from PIL import Image
from serve_clients import Load, at_random, flood
from sizes import cells

import bloodcell

CELLS = cells(256)
ROUNDS = 7
LEAST_RATIO = 0.9
CLIENTS = 2
LOADS = (0.5, 0.8, 0.95)
_KEY = "/bloodcell-bench-serve"


@dataclass(frozen=True)
class Both:
    """The same cells for both."""

    engine: bloodcell.Engine
    pixels: npt.NDArray[np.uint8]
    server: psutil.Process
    clients: Pool
    load: Load

    def by_engine(self) -> tuple[float, float]:
        """Seconds, and seconds of the processor."""
        began_s, began_processor_s = time.perf_counter(), time.process_time()
        for result in self.engine.stream((one, "A") for one in self.pixels):
            assert result.status == "scored"
        return time.perf_counter() - began_s, time.process_time() - began_processor_s

    def by_server(self, per_request: int, at_once: int) -> tuple[float, float, float]:
        """The same of the server, of cells that come so many in a request; and with its clients."""
        requests = CELLS // CLIENTS // per_request
        load = replace(self.load, requests=requests, per_request=per_request)
        before_s = self.server.cpu_times()
        took = self.clients.starmap(flood, [(load, at_once)] * CLIENTS)
        after_s = self.server.cpu_times()
        own_s = after_s.user + after_s.system - before_s.user - before_s.system
        return max(wall_s for wall_s, _ in took), own_s, own_s + sum(busy_s for _, busy_s in took)


@pytest.fixture(scope="module")
def both(manifest: Path, table: pa.Table) -> Iterator[Both]:
    paths = table["path"].to_pylist()
    drawn = [np.asarray(Image.open(manifest.parent / path).convert("RGB")) for path in paths[:64]]
    pixels = np.stack([drawn[number % len(drawn)] for number in range(CELLS)])
    region = memory.create_shared_memory_region("cells", _KEY, pixels.nbytes)
    server = ServedEngine()
    try:
        memory.set_shared_memory_region(region, [pixels])
        address = f"127.0.0.1:{server.ports['grpc']}"
        with triton.InferenceServerClient(address) as client:
            client.register_system_shared_memory("cells", _KEY, pixels.nbytes)
        shape = pixels.shape[1:]
        load = Load(address, server.model, "cells", shape, CELLS, CELLS // CLIENTS, 1)
        with bloodcell.Engine() as engine, get_context("spawn").Pool(CLIENTS) as clients:
            print(f"\n{CELLS} cells of {shape}, {engine.choice.name}, {CLIENTS} clients")
            yield Both(engine, pixels, psutil.Process(server.process.pid), clients, load)
    finally:
        server.kill()
        memory.destroy_shared_memory_region(region)


@pytest.mark.parametrize(("per_request", "at_once"), [(16, 4), (1, 64)])
def test_throughput(both: Both, per_request: int, at_once: int) -> None:
    """In turn, many times for a short while: the machine may have other work."""
    both.by_engine()
    both.by_server(per_request, at_once)
    wall, own, processor = [], [], []
    for number in range(ROUNDS):
        turns: list[Callable[[], tuple[float, ...]]] = [
            both.by_engine,
            lambda: both.by_server(per_request, at_once),
        ]
        took = {turn: turns[turn]() for turn in ((0, 1), (1, 0))[number % 2]}
        wall.append(took[0][0] / took[1][0])
        own.append(took[0][1] / took[1][1])
        processor.append(took[0][1] / took[1][2])
    for what, ratios in (
        ("time", wall),
        ("its processor time", own),
        ("processor time with its clients'", processor),
    ):
        print(
            f"\nserver's throughput / engine's, {per_request} cells a request, by {what}: "
            f"{median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
        )
    assert median(wall) >= LEAST_RATIO


@pytest.mark.parametrize("share", LOADS)
def test_latency(both: Both, share: float) -> None:
    """Cells one by one, at a share of the peak that is measured just before."""
    peak = CELLS / both.by_server(1, 64)[0]
    asked = [(both.load, share * peak / CLIENTS, seed) for seed in range(CLIENTS)]
    took = np.concatenate(both.clients.starmap(at_random, asked))
    p50, p99 = np.quantile(took, [0.5, 0.99])
    print(
        f"\nat {share} of {peak:.0f} cells/s: p50 {1000 * p50:.0f} ms, p99 {1000 * p99:.0f} ms, "
        f"largest {1000 * took.max():.0f} ms"
    )
