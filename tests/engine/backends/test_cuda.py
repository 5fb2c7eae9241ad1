"""What the NVIDIA driver may answer, from a stand-in for its library."""

import ctypes
from dataclasses import dataclass
from typing import Any

import pytest

from bloodcell.engine.backends.cuda import all_devices, first_device, why_no_cuda
from bloodcell.errors import EngineError


@dataclass
class Driver:
    """Answers as libcuda does: a status, and the rest through pointers."""

    cuda: int = 13000
    start: int = 0
    gpus: int = 1
    query: int = 0

    def cuDriverGetVersion(self, version: Any) -> int:  # noqa: N802
        version._obj.value = self.cuda
        return 0

    def cuInit(self, _flags: int) -> int:  # noqa: N802
        return self.start

    def cuDeviceGetCount(self, count: Any) -> int:  # noqa: N802
        count._obj.value = self.gpus
        return 0

    def cuDeviceGetName(self, name: Any, length: int, _device: int) -> int:  # noqa: N802
        assert length == ctypes.sizeof(name)
        name.value = b"NVIDIA Example"
        return self.query

    def cuDeviceGetUuid(self, identity: Any, device: int) -> int:  # noqa: N802
        identity[:] = range(device, 16 + device)
        return 0

    def cuDeviceGetAttribute(self, value: Any, attribute: int, _device: int) -> int:  # noqa: N802
        value._obj.value = {75: 9, 76: 0}[attribute]
        return 0


def test_a_usable_gpu_is_described() -> None:
    assert why_no_cuda(Driver()) is None
    device = first_device(Driver(cuda=13010))
    assert (device.name, device.compute_capability) == ("NVIDIA Example", "9.0")
    assert device.uuid == "00010203-0405-0607-0809-0a0b0c0d0e0f"
    assert device.cuda_version == "13.1"


def test_every_gpu_is_found_with_its_own_uuid() -> None:
    assert [device.uuid[-2:] for device in all_devices(Driver(gpus=3))] == ["0f", "10", "11"]


@pytest.mark.parametrize(
    ("driver", "expected"),
    [
        (Driver(cuda=12080), r"serves CUDA 12\.8, 13\.0 is needed: install driver 580"),
        (Driver(start=100), "finds no GPU"),
        (Driver(gpus=0), "finds no GPU"),
        (Driver(start=803), r"does not start \(CUDA error 803\)"),
    ],
)
def test_what_is_wrong_is_said(driver: Driver, expected: str) -> None:
    with pytest.raises(EngineError, match=expected):
        first_device(driver)


def test_a_gpu_that_does_not_answer_is_said() -> None:
    with pytest.raises(EngineError, match="CUDA error 999"):
        first_device(Driver(query=999))


def test_a_machine_without_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", absent)
    assert why_no_cuda() == "no NVIDIA driver is installed"
