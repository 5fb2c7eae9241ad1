"""What gpu-check sees of a GPU besides speeds: how busy it is, and how its decoder differs."""

import sys
import threading
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gpu.decoders import decoders_differ, encoded_batches
from gpu.device_watch import top_operators, watched
from helpers import fake_gpu

from bloodcell.engine.decode import Decoder, Encoded, UndecodableError
from bloodcell.engine.device_decode import DeviceDecoder
from bloodcell.engine.preprocessing import Preprocessing


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """NVML as far as it is asked; what was opened and closed."""
    calls: list[str] = []
    samples = iter(range(1000))
    module = types.SimpleNamespace(
        nvmlInit=lambda: calls.append("open"),
        nvmlShutdown=lambda: calls.append("closed"),
        nvmlDeviceGetHandleByUUID=calls.append,
        nvmlDeviceGetUtilizationRates=lambda _: types.SimpleNamespace(gpu=90 + next(samples) % 2),
        nvmlDeviceGetMemoryInfo=lambda _: types.SimpleNamespace(used=700 << 20),
    )
    monkeypatch.setitem(sys.modules, "pynvml", module)
    return calls


def test_a_gpu_is_watched_during_the_work(nvml: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpu.device_watch._EVERY_S", 0.001)
    asked = threading.Event()

    def work() -> None:
        assert "closed" not in nvml
        assert asked.wait(10)

    usage = sys.modules["pynvml"].nvmlDeviceGetUtilizationRates

    def fourth(handle: object) -> object:
        nvml.append("asked")
        if nvml.count("asked") == 4:
            asked.set()
        return usage(handle)

    monkeypatch.setattr(sys.modules["pynvml"], "nvmlDeviceGetUtilizationRates", fourth)
    figures = watched("0000-1", work)
    assert [call for call in nvml if call != "asked"] == ["open", "GPU-0000-1", "closed"]
    assert (figures["busy_percent"]["least"], figures["busy_percent"]["most"]) == (90, 91)
    assert figures["used_mib"]["median"] == 700
    assert figures["used_mib"]["repeats"] == figures["busy_percent"]["repeats"] >= 4


def test_without_nvml_there_is_no_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(ImportError, match="pynvml"):
        watched("0000-1", lambda: None)


def test_operators_by_their_time() -> None:
    square, row = torch.ones(256, 256), torch.ones(2)

    def work() -> None:
        for _ in range(20):
            square @ square
        row + row

    first, *others = top_operators(work, count=4)
    assert (first["operator"], first["calls"]) == ("aten::mm", 20)
    assert 0.5 < first["share"] <= 1
    assert len(others) == 3


def test_decoders_are_compared_in_levels(smears: Path) -> None:
    std = (0.2, 0.25, 0.1)
    preprocessing = Preprocessing(16, 0.9, "linear", True, (0.8, 0.7, 0.7), std)
    host, gpu = (Decoder(preprocessing, batch_size=16, threads=1) for _ in range(2))
    three_levels_of_green = np.array([0, 3 / 255 / std[1], 0], np.float32)[:, None, None]
    jpegs: list[int] = []

    def decode(encoded: Encoded) -> Any:
        if any(len(image) % 2 for image in encoded):
            raise UndecodableError
        jpegs.extend(map(len, encoded))
        pixels, samples, _ = gpu.decode(encoded)
        return (pixels - three_levels_of_green).view(fake_gpu.Array), samples

    difference = decoders_differ(
        DeviceDecoder(decode, host, decode),
        host,
        encoded_batches(smears, 16),
        fake_gpu.Stream(True),
    )
    assert difference["cells"] == 72
    assert 0 < difference["jpegs_refused_by_gpu"] == difference["jpegs"] - len(jpegs)
    assert difference["decoded_by_one_alone"] == 0
    assert difference["largest_difference_levels"] == pytest.approx(3, abs=0.01)
    assert difference["median_of_the_cells_largest_levels"] < 3
    by_kind = {
        kind: one["largest_difference_levels"] for kind, one in difference["by_kind"].items()
    }
    assert by_kind.keys() == {"4:4:4", "4:4:4 progressive", "4:2:0", "gray", "CMYK", "no JPEG"}
    assert (by_kind["no JPEG"], by_kind["4:4:4"]) == (0, pytest.approx(3, abs=0.01))
