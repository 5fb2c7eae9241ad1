"""Keeps libraries from reporting their use: nothing leaves the machine (docs/privacy.md)."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

_OPENVINO_REPORTER = "openvino_telemetry"


def keep_ray_from_reporting() -> None:
    """Call this before Ray is imported: it reads the variable then, and so do processes it starts.

    A cluster that others started reports, or not, as they have told it.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"


@contextmanager
def without_telemetry() -> Iterator[None]:
    """Import ONNX Runtime or OpenVINO inside this.

    ONNX Runtime reads its variable when it is loaded, and worker processes inherit it. OpenVINO
    reports that it was imported unless its reporter cannot be; whoever wants that for another
    purpose finds it again afterwards.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]
    is_loaded, reporter = _OPENVINO_REPORTER in modules, modules.get(_OPENVINO_REPORTER)
    modules[_OPENVINO_REPORTER] = None
    try:
        yield
    finally:
        if is_loaded:
            modules[_OPENVINO_REPORTER] = reporter
        else:
            del modules[_OPENVINO_REPORTER]
