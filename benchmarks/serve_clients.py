"""Clients of `bloodcell serve`, each a process of its own, whose cells lie in shared memory."""

import random
import threading
import time
from dataclasses import dataclass
from typing import Any

import tritonclient.grpc as triton


@dataclass(frozen=True)
class Load:
    """What one client sends: requests of ``per_request`` cells of one shape, one by one."""

    address: str
    model: str
    region: str
    shape: tuple[int, int, int]
    places: int
    """Cells that lie in the region."""
    requests: int
    per_request: int

    def inputs(self, number: int) -> list[Any]:
        """The cells of a request: others than those of the one before."""
        cell_bytes = self.shape[0] * self.shape[1] * self.shape[2]
        first = number * self.per_request % (self.places - self.per_request + 1)
        tensor = triton.InferInput("image", [self.per_request, *self.shape], "UINT8")
        tensor.set_shared_memory(
            self.region, self.per_request * cell_bytes, offset=first * cell_bytes
        )
        return [tensor]


class _Answers:
    """Counts answers, of which so many may be awaited at a time."""

    def __init__(self, at_once: int) -> None:
        self.room = threading.Semaphore(at_once)
        self._at_once = at_once

    def one_more(self, result: Any, error: Any) -> None:
        assert result is not None, error
        self.room.release()

    def wait(self) -> None:
        for _ in range(self._at_once):
            self.room.acquire()


def flood(load: Load, at_once: int) -> tuple[float, float]:
    """Keep ``at_once`` requests on the way; seconds for all, and seconds of the processor."""
    with triton.InferenceServerClient(load.address) as client:
        answers = _Answers(at_once)
        began_s, began_processor_s = time.perf_counter(), time.process_time()
        for number in range(load.requests):
            answers.room.acquire()
            client.async_infer(load.model, load.inputs(number), answers.one_more)
        answers.wait()
        return time.perf_counter() - began_s, time.process_time() - began_processor_s


def at_random(load: Load, requests_per_s: float, seed: int) -> list[float]:
    """Send at random moments (Poisson); seconds from when each was due to its answer."""
    chance, took = random.Random(seed), []
    with triton.InferenceServerClient(load.address) as client:
        answers = _Answers(load.requests)
        due_s = time.perf_counter()
        for number in range(load.requests):
            due_s += chance.expovariate(requests_per_s)
            time.sleep(max(0.0, due_s - time.perf_counter()))

            def answered(result: Any, error: Any, due_s: float = due_s) -> None:
                took.append(time.perf_counter() - due_s)
                answers.one_more(result, error)

            answers.room.acquire()
            client.async_infer(load.model, load.inputs(number), answered)
        answers.wait()
    return took
