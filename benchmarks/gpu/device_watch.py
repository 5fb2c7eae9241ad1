"""What a GPU does meanwhile: how busy it is and what it holds (NVML), and on what (torch)."""

from collections.abc import Callable
from threading import Event, Thread
from typing import Any

from bloodcell.bench.statistics import spread

_EVERY_S = 0.05


def watched(uuid: str, work: Callable[[], object]) -> dict[str, Any]:
    """Median, least and most of what NVML says every 50 ms, asked in a thread, during ``work``.

    ``uuid``: the GPU's, whose memory counts whoever has it. Raises ImportError without the package
    nvidia-ml-py, and NVML's errors.
    """
    import pynvml

    busy_percent: list[int] = []
    used_mib: list[int] = []

    def ask() -> None:
        busy_percent.append(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)
        used_mib.append(pynvml.nvmlDeviceGetMemoryInfo(handle).used >> 20)

    def sample() -> None:
        while not ended.wait(_EVERY_S):
            ask()

    pynvml.nvmlInit()
    handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
    # Here what NVML cannot say of this GPU is an error that is seen.
    ask()
    ended, thread = Event(), Thread(target=sample, daemon=True)
    thread.start()
    try:
        work()
    finally:
        ended.set()
        thread.join()
        pynvml.nvmlShutdown()
    return {"busy_percent": spread(busy_percent), "used_mib": spread(used_mib)}


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
