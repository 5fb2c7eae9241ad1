"""What the GPUs of a run hold in memory, asked of the driver by NVML."""

import logging
from collections.abc import Sequence

from bloodcell.engine.backends.cuda import Device

_LOG = logging.getLogger(__name__)


class DeviceMemory:
    """Memory in use on GPUs, at two moments of a run: if it is constant, they are alike.

    It is all that a card holds, whoever it belongs to.
    """

    def __init__(self, devices: Sequence[Device]) -> None:
        self._devices = devices
        self._at_first: dict[str, int] = {}
        self._is_noted = False

    def note_first_batch(self) -> None:
        """Call after every batch; only the first one is noted."""
        if not self._is_noted:
            self._is_noted, self._at_first = True, used_mib(self._devices)

    def used_mib(self) -> dict[str, list[int]] | None:
        """MiB in use on each GPU, by its UUID, after the first batch and now.

        None without a GPU, or where NVML does not answer; a line in the log then says why.
        """
        now = used_mib(self._devices) if self._at_first else {}
        return {uuid: [self._at_first[uuid], now[uuid]] for uuid in now} or None


def used_mib(devices: Sequence[Device]) -> dict[str, int]:
    """MiB in use on each device, by its UUID; empty where ``DeviceMemory.used_mib`` is None."""
    if not devices:
        return {}
    try:
        import pynvml
    except ImportError:
        _LOG.warning("memory on the GPU is not stated: pip install nvidia-ml-py")
        return {}
    try:
        pynvml.nvmlInit()
        try:
            names = [f"GPU-{device.uuid}" for device in devices]
            handles = [pynvml.nvmlDeviceGetHandleByUUID(name) for name in names]
            used = [int(pynvml.nvmlDeviceGetMemoryInfo(handle).used) for handle in handles]
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError as error:
        _LOG.warning("memory on the GPU is not stated: NVML says %s", error)
        return {}
    return {name: used_bytes >> 20 for name, used_bytes in zip(names, used, strict=True)}
