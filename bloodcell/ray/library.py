"""Ray itself: loaded without its reports, reached without its lines on the terminal."""

import os
import re
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bloodcell.engine.machine import usable_cores
from bloodcell.engine.telemetry import keep_ray_from_reporting
from bloodcell.errors import EngineError, InputError, PackageError

ON_RAY = "ray"
_WITH_ADDRESS = "ray://"
_OBJECT_STORE_BYTES = 256 << 20
"""Of a cluster of this machine alone: a few parts are in it at a time."""
_CURRENT_CLUSTER = Path("/tmp/ray/ray_current_cluster")
"""Where Ray keeps the address of the cluster that was started here last."""
_SHORT_PATHS = "/tmp"
"""Names of sockets may not be long."""
_ANSWERS_WITHIN_S = 10.0


def load_ray() -> Any:
    """The library; PackageError if it is not installed."""
    keep_ray_from_reporting()
    try:
        import ray
        import ray._private.worker
    except ModuleNotFoundError as missing:
        raise PackageError(
            "scoring on Ray needs ray, which is not installed: pip install 'bloodcell[ray]'"
        ) from missing
    # What it says of lost workers goes to standard output, which is for a command's result; what
    # is lost is told in our own words.
    ray._private.worker.print_to_stdstream = lambda *_args, **_options: None
    return ray


def check_address(on: str) -> None:
    """InputError if ``on`` names no place to score."""
    if on != ON_RAY and not re.fullmatch(rf"{_WITH_ADDRESS}.+:\d+", on):
        raise InputError(f"on is ray or ray://HOST:PORT, {on!r} given")


@contextmanager
def connected(on: str, threads: int | None) -> Iterator[Any]:
    """Ray, connected to the cluster that ``on`` names.

    ``ray``: that of $RAY_ADDRESS, else the one that was started on this machine, else one of this
    machine alone, of ``threads`` CPUs, which ends with the context. A connection that there is
    already is used, and left. Raises PackageError, and EngineError if there is no such cluster or
    it is of another version.
    """
    ray = load_ray()
    if ray.is_initialized():
        yield ray
        return
    address = _address_of(on)
    folder = tempfile.mkdtemp(prefix="bloodcell-", dir=_SHORT_PATHS) if address is None else None
    try:
        with _signals_kept():
            _connect(ray, address, folder, threads)
        yield ray
    finally:
        with suppress(Exception):
            ray.shutdown()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _address_of(on: str) -> str | None:
    """By Ray's own rules; None where there is no cluster yet. EngineError if none is there."""
    named = on if on != ON_RAY else os.environ.get("RAY_ADDRESS")
    if named is None:
        started = _CURRENT_CLUSTER.read_text().strip() if _CURRENT_CLUSTER.exists() else ""
        # One that has ended may have left its address.
        return started if started and _is_listening(started) else None
    if not _is_listening(named):
        raise _no_cluster(named, "nothing listens there")
    return named


def _is_listening(address: str) -> bool:
    """Asked here, for Ray tries for minutes."""
    host, _, port = address.removeprefix(_WITH_ADDRESS).rpartition(":")
    try:
        with socket.create_connection((host, int(port)), _ANSWERS_WITHIN_S):
            return True
    except (OSError, ValueError):
        return False


def _connect(ray: Any, address: str | None, folder: str | None, threads: int | None) -> None:
    quiet = {"logging_level": "CRITICAL", "log_to_driver": False}
    try:
        if address is not None:
            ray.init(address, **quiet)
        else:
            ray.init(
                "local",
                num_cpus=threads or usable_cores(),
                object_store_memory=_OBJECT_STORE_BYTES,
                include_dashboard=False,
                _temp_dir=folder,
                **quiet,
            )
    except Exception as error:
        raise _no_cluster(address or "this machine", _line_of(error)) from error


def _no_cluster(address: str, why: str) -> EngineError:
    return EngineError(
        f"no Ray cluster can be used at {address}: {why}. `ray start --head` starts one; its Ray "
        "and Python must be those of this machine"
    )


def _line_of(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    if not lines:
        return type(error).__name__
    # What went wrong on the head comes with its traceback, which ends with the cause.
    return lines[-1 if "Traceback" in str(error) else 0].rstrip(".:")


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray takes SIGTERM for itself; a run is stopped by it in good order."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
