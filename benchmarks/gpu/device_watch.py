"""What a GPU does meanwhile: how busy it is and what it holds (NVML), and on what (torch)."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from bloodcell.bench.statistics import spread

_EVERY_S = 0.05


class Watch:
    """Asks NVML every 50 ms, in a thread, as long as its ``with`` block lasts.

    ``uuid``: the GPU's. Raises ImportError without the package nvidia-ml-py, and NVML's errors.
    """

    def __init__(self, uuid: str) -> None:
        import pynvml

        self._nvml, self._uuid = pynvml, uuid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._busy_percent: list[int] = []
        self._used_mib: list[int] = []

    def __enter__(self) -> "Watch":
        self._nvml.nvmlInit()
        self._handle = self._nvml.nvmlDeviceGetHandleByUUID(f"GPU-{self._uuid}")
        # Here what NVML cannot say of this GPU is an error that is seen.
        self._ask()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._nvml.nvmlShutdown()

    def figures(self) -> dict[str, Any]:
        """Median, least and most of what was seen; the card's memory counts whoever has it."""
        return {"busy_percent": spread(self._busy_percent), "used_mib": spread(self._used_mib)}

    def _sample(self) -> None:
        while not self._ended.wait(_EVERY_S):
            self._ask()

    def _ask(self) -> None:
        self._busy_percent.append(self._nvml.nvmlDeviceGetUtilizationRates(self._handle).gpu)
        self._used_mib.append(self._nvml.nvmlDeviceGetMemoryInfo(self._handle).used >> 20)


def top_operators(work: Callable[[], object], count: int = 8) -> list[dict[str, Any]]:
    """What ``work`` spends most time on by torch's profiler: kernels and copies of any library on
    a GPU, torch's own operators on the CPU. Raises ImportError without torch.
    """
    import torch
    from torch.profiler import ProfilerActivity, profile

    on_gpu = torch.cuda.is_available()
    activities = [ProfilerActivity.CUDA] if on_gpu else [ProfilerActivity.CPU]
    with profile(activities=activities) as seen:
        work()
    time_us = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    averages = sorted(seen.key_averages(), key=lambda one: -getattr(one, time_us))
    whole = sum(getattr(one, time_us) for one in averages)
    return [
        {
            "operator": one.key[:120],
            "calls": one.count,
            "ms": round(getattr(one, time_us) / 1000, 2),
            "share": round(getattr(one, time_us) / whole, 3),
        }
        for one in averages[:count]
    ]
