"""What a run states of a GPU's memory; a stand-in answers for NVML."""

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.local_scorer import LocalScorer

import bloodcell
from bloodcell.engine.backends.cuda import Device
from bloodcell.engine.device_memory import DeviceMemory

GPUS = [Device("NVIDIA Example", "9.0", f"0000-{number}", "13.0") for number in range(2)]


class NVMLError(Exception):
    pass


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """Every answer is a MiB more than the one before; it counts how often it is opened."""
    opened = types.SimpleNamespace(now=0, ever=0, answers=0)

    def change(by: int) -> Callable[[], None]:
        def do() -> None:
            opened.now += by
            opened.ever += by > 0

        return do

    def memory(handle: str) -> types.SimpleNamespace:
        assert opened.now == 1
        opened.answers += 1
        return types.SimpleNamespace(used=(100 * (1 + int(handle[-1])) + opened.answers) << 20)

    module = types.SimpleNamespace(
        nvmlInit=change(1),
        nvmlShutdown=change(-1),
        nvmlDeviceGetHandleByUUID=lambda name: name,
        nvmlDeviceGetMemoryInfo=memory,
        NVMLError=NVMLError,
    )
    monkeypatch.setitem(sys.modules, "pynvml", module)
    opened.module = module
    return opened


def test_each_gpu_after_the_first_batch_and_at_the_end(nvml: types.SimpleNamespace) -> None:
    memory = DeviceMemory(GPUS)
    for _ in range(3):
        memory.note_first_batch()
    assert memory.used_mib() == {"GPU-0000-0": [101, 103], "GPU-0000-1": [202, 204]}
    assert nvml.now == 0
    assert nvml.ever == 2, "only the first batch is noted"


def test_a_run_states_it(
    smears: Path, tmp_path: Path, nvml: types.SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_cpu = bloodcell.score(smears, tmp_path / "cpu")
    assert "device_memory_mib" not in on_cpu.about["session"]
    assert nvml.ever == 0

    class OnGpu(LocalScorer):
        def __init__(self, *setup_workers_and_stop: Any) -> None:
            super().__init__(*setup_workers_and_stop)
            self.devices = GPUS[:1]
            self.made_of = {**self.made_of, "jpeg_decoder": "CUDA"}

    monkeypatch.setattr("bloodcell.scoring.open_scorer", OnGpu)
    on_gpu = bloodcell.score(smears, tmp_path / "gpu", batch_size=5)
    assert on_gpu.about["session"]["jpeg_decoders"].startswith("1 on its CUDA cores")
    assert on_gpu.about["session"]["device_memory_mib"] == {"GPU-0000-0": [101, 102]}


def test_without_an_answer_nothing_is_stated_and_the_log_says_why(
    nvml: types.SimpleNamespace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def lost(_handle: str) -> None:
        raise NVMLError("GPU is lost")

    nvml.module.nvmlDeviceGetMemoryInfo = lost
    memory = DeviceMemory(GPUS)
    memory.note_first_batch()
    assert memory.used_mib() is None
    assert nvml.now == 0
    assert caplog.messages == ["memory on the GPU is not stated: NVML says GPU is lost"]
    monkeypatch.setitem(sys.modules, "pynvml", None)
    memory = DeviceMemory(GPUS)
    memory.note_first_batch()
    assert memory.used_mib() is None
    assert caplog.messages[1:] == ["memory on the GPU is not stated: pip install nvidia-ml-py"]
