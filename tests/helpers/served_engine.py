"""`bloodcell serve` in a process of its own, and what clients of both protocols need of it."""

import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.request import urlopen

import numpy as np

from helpers.until import LONGEST_S


class ServedEngine:
    """Of a ``with`` block, it is killed at the end if it has not ended by then."""

    def __init__(self, *options: str | Path, before: tuple[str, ...] = (), **popen: Any) -> None:
        """``before``: words of a program that runs it."""
        words = [sys.executable, "-m", "bloodcell", "serve", "--grpc-port", "0", "--http-port", "0"]
        self.process = subprocess.Popen(
            [*before, *words, "--json", *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True, **popen,
        )  # fmt: skip
        assert self.process.stderr
        self.said = self.process.stderr.readline()
        found = re.fullmatch(r"serving (\S+): gRPC \S+:(\d+), HTTP \S+:(\d+)\n", self.said)
        if found is None:
            os.killpg(self.process.pid, signal.SIGKILL)  # it would keep its standard error open
            raise AssertionError(self.said + self.process.communicate()[1])
        self.model = found[1]
        # Decoders say on standard error what they think of images; a full pipe would stop them.
        self._rest = ThreadPoolExecutor(1).submit(self.process.stderr.read)
        self.ports = {"grpc": int(found[2]), "http": int(found[3])}

    def __enter__(self) -> "ServedEngine":
        return self

    def __exit__(self, *_error: object) -> None:
        self.kill()

    def client(self, protocol: str, **options: Any) -> Any:
        """tritonclient's."""
        module = client_module(protocol)
        client = module.InferenceServerClient(f"127.0.0.1:{self.ports[protocol]}", **options)
        if protocol == "grpc":  # the other one waits no longer by itself
            client.infer = partial(client.infer, client_timeout=LONGEST_S)
        return client

    def metrics(self) -> dict[str, float]:
        """Values by name and labels."""
        address = f"http://127.0.0.1:{self.ports['http']}/metrics"
        with urlopen(address, timeout=LONGEST_S) as answer:
            text = answer.read().decode()
        return {
            name: float(value)
            for name, value in re.findall(r"^(bloodcell_\S+) (\S+)$", text, re.MULTILINE)
        }

    def ended(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
        """Exit status, output and what was said, after a signal."""
        os.killpg(self.process.pid, number)
        return self.result()

    def result(self) -> tuple[int, str, str]:
        """Exit status, output and what was said, once it has ended."""
        assert self.process.stdout
        with self.process:
            try:
                status = self.process.wait(LONGEST_S)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)  # leaving this block waits for it
                raise
            return status, self.process.stdout.read(), self._rest.result()

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.result()


def client_module(protocol: str) -> ModuleType:
    """``tritonclient.grpc`` or ``tritonclient.http``."""
    if protocol == "grpc":
        import tritonclient.grpc as module
    else:
        import tritonclient.http as module
    return module


def images_input(protocol: str, images: list[bytes]) -> Any:
    """Encoded images as a client's input."""
    tensor = client_module(protocol).InferInput("image_bytes", [len(images)], "BYTES")
    tensor.set_data_from_numpy(np.array(images, dtype=object))
    return tensor


def pixels_input(protocol: str, pixels: np.ndarray) -> Any:
    """RGB (N, height, width, 3) as a client's input."""
    tensor = client_module(protocol).InferInput("image", pixels.shape, "UINT8")
    tensor.set_data_from_numpy(pixels)
    return tensor


def patient_input(protocol: str, name: str) -> Any:
    """A patient's name as a client's input."""
    tensor = client_module(protocol).InferInput("patient", [1], "BYTES")
    tensor.set_data_from_numpy(np.array([name.encode()], dtype=object))
    return tensor
