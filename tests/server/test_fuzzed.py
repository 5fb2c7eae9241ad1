"""A small run of ``faults/fuzzed_requests.py``, which has ten thousand requests."""

from typing import Any

from faults.fuzzed_requests import fuzz
from helpers.served_engine import ServedEngine


def test_fuzzed_requests_are_answered_and_end_nothing(
    served: ServedEngine, cells: list[dict[str, Any]]
) -> None:
    ends = fuzz(served, [cell["image"] for cell in cells[:8]], 200, seed=3)
    assert ends["grpc OK"]
    assert ends["grpc INVALID_ARGUMENT"]
    assert ends["http 200"]
    assert ends["http 400"]
