"""`make gpu-check`: every test that needs a GPU, and all figures that need one.

Runs from a plain copied tree, without network, with what is importable; writes
`benchmarks/results/<gpu>.json`, every figure as soon as it is there. Exit status: 0 done; 1 a test
failed or could not be run; 5 no GPU, then nothing is written.
"""

import argparse
import importlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from threading import Timer
from typing import Any

from bloodcell.engine.backends.cuda import driver_version, first_device, why_no_cuda
from bloodcell.files import write_whole
from gpu import networks
from gpu.parts import PARTS, print_entries

TREE = Path(__file__).resolve().parents[2]
RESULTS = TREE / "benchmarks" / "results"
PROGRAM = TREE / "benchmarks" / "gpu"
NO_GPU = 5
SECONDS = 540
"""By default: such a machine may be lent for ten minutes."""
TESTS = "tests"
"""The part that is pytest's."""
NAMES = tuple(part.name for part in PARTS)
LEAST_S = 10.0
"""With less time left no further part is begun."""
PACKAGES = (
    "tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings", "cupy", "pynvml", "nvidia.dali", "torch",
    "onnx", "onnxruntime", "numpy", "pyarrow", "pybase64", "pytest",
)  # fmt: skip


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Test and measure bloodcell on this GPU.")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="after which it ends")
    parser.add_argument("--only", nargs="+", choices=NAMES, help="these parts, in their order")
    parser.add_argument("--part", nargs=2, metavar=("NAME", "FOLDER"), help=argparse.SUPPRESS)
    parser.add_argument("--roofline", action="store_true", help="print limits beside results")
    options = parser.parse_args(arguments)
    if options.roofline:
        from gpu import roofline

        print(roofline.of_both_networks())
        return 0
    if options.part:
        print_entries(*options.part)
        return 0
    deadline = time.monotonic() + options.seconds
    if reason := why_no_cuda():
        print(f"gpu-check: {reason}; nothing was run or written", file=sys.stderr)
        return NO_GPU
    result = {"date": datetime.now(timezone.utc).isoformat(timespec="seconds"), **environment()}
    path = RESULTS / f"{file_name(result['gpu']['name'], result['versions'])}.json"
    result["tests"] = ensure_extension() or "left out"
    keep(path, result)
    measure(path, result, deadline, options.only or NAMES)
    print(f"gpu-check: tests: {result['tests']}; figures: {path}")
    return 0 if str(result["tests"]).startswith("passed") else 1


def measure(
    path: Path, result: dict[str, Any], deadline: float, names: Collection[str] = NAMES
) -> None:
    """Test and measure part by part until ``deadline``, keeping every entry as soon as it is there.

    Without the extension the tests are not tried: ``result`` says why.
    """
    result["left_out"] = [part.name for part in PARTS if part.name not in names]
    with tempfile.TemporaryDirectory() as folder:
        for part in [part for part in PARTS if part.name in names]:
            limit_s = min(deadline - time.monotonic(), part.most_s)
            if limit_s < LEAST_S:
                result["left_out"].append(part.name)
            elif part.name == TESTS:
                if result["tests"] == "left out":
                    result |= run_tests(limit_s)
            else:
                for entry in entries_of(part.name, folder, limit_s):
                    result.setdefault(part.key, []).append(entry)
                    keep(path, result | compared(result))
                    print(json.dumps(entry), flush=True)
            keep(path, result)
    result |= compared(result)
    keep(path, result)


def entries_of(name: str, folder: str, limit_s: float) -> Iterator[dict[str, Any]]:
    """What a part measures, in a process of its own; how that ended, if not well, comes last."""
    command = [sys.executable, str(PROGRAM), "--part", name, folder]
    ends = time.monotonic() + limit_s
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        # With all that it has started.
        over = Timer(limit_s, os.killpg, [process.pid, signal.SIGKILL])
        over.start()
        try:
            yield from map(json.loads, process.stdout)
            status = process.wait()
        finally:
            over.cancel()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    if status and time.monotonic() >= ends:
        yield {"part": name, "failed": f"not done within {limit_s:.0f} s"}
    elif status:
        how = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
        yield {"part": name, "failed": f"its process ended {how}"}


def compared(result: dict[str, Any]) -> dict[str, Any]:
    """What the entries so far come to, one beside the other."""
    tflops = result.get("gemm_tflops", [{}])[-1]
    return {
        "ratios": networks.ratios(result.get("networks", []), tflops),
        "end_to_end_to_peers": against_peers(result.get("end_to_end", []), result.get("peers", [])),
    }


def against_peers(
    streams: list[dict[str, Any]], peers: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The loop's cells/s, as `score` has it by default, to each peer's over the same JPEGs.

    bloodcell's own whole call is among the peers: it also loads, stores and reports.
    """
    own = {
        entry["network"]: entry["cells_per_s"]["end_to_end"]["median"]
        for entry in streams
        if entry.get("image_format") == "jpeg"
        and (entry["hardware_decoder"], entry["asked_batch"]) == (False, None)
        and "cells_a_day" in entry
    }
    return [
        {
            "network": peer["network"],
            "peer": peer["contender"],
            "ratio": round(own[peer["network"]] / peer["cells_per_s"]["median"], 3),
            "same_class": peer["same_class"],
        }
        for peer in peers
        if "same_class" in peer and peer["network"] in own
    ]


def environment() -> dict[str, Any]:
    """Machine, GPU, driver and versions; what is not importable is under ``missing``."""
    versions = {name: version_of(name) for name in PACKAGES}
    device = first_device()
    return {
        "gpu": {"name": device.name, "compute_capability": device.compute_capability},
        "driver": {"cuda": device.cuda_version, "version": driver_version()},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        "python": platform.python_version(),
        "versions": {name: version for name, version in versions.items() if version},
        "missing": [f"{name}: not importable" for name, version in versions.items() if not version],
    }


def version_of(package: str) -> str | None:
    try:
        return str(getattr(importlib.import_module(package), "__version__", "unknown"))
    except (ImportError, OSError):
        return None


def ensure_extension() -> str | None:
    """Build ``bloodcell._core`` if it is not importable; what stands in the way, if anything."""
    if version_of("bloodcell._core"):
        return None
    lacking = [tool for tool in ("cmake", "c++") if shutil.which(tool) is None]
    lacking += [] if version_of("pybind11") else ["pybind11"]
    if lacking:
        return f"not run: the extension is not built and {', '.join(lacking)} missing"
    pybind11 = importlib.import_module("pybind11").get_cmake_dir()
    build = TREE / "build" / "gpu-check"
    commands: list[list[str | Path]] = [
        ["cmake", "-S", TREE, "-B", build, f"-Dpybind11_DIR={pybind11}",
         f"-DPython_EXECUTABLE={sys.executable}"],
        ["cmake", "--build", build, "--target", "_core", "--parallel"],
    ]  # fmt: skip
    for command in commands:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            return f"not run: building the extension failed: {done.stderr.strip()[-300:]}"
    for library in build.glob("_core*.so"):
        shutil.copy(library, TREE / "bloodcell")
    importlib.invalidate_caches()
    return None if version_of("bloodcell._core") else "not run: the built extension does not load"


def run_tests(limit_s: float) -> dict[str, Any]:
    """All tests marked ``gpu``, in a process of their own: ``tests``, its summary, and
    ``tests_not_passed``, a line each, with the reason of what was skipped.
    """
    if not version_of("pytest"):
        return {"tests": "not run: pytest is not importable"}
    # Only the files that hold some: others may import what a GPU machine lacks.
    files = [f for f in sorted((TREE / "tests").rglob("test_*.py")) if "mark.gpu" in f.read_text()]
    command: list[str | Path] = [sys.executable, "-m", "pytest", "-m", "gpu", "-q"]
    command += ["-p", "no:cacheprovider", *files]
    try:
        done = subprocess.run(
            command, cwd=TREE, check=False, capture_output=True, text=True, timeout=limit_s
        )
    except subprocess.TimeoutExpired:
        return {"tests": f"failed: not done within {limit_s:.0f} s"}
    print(done.stdout)
    lines = done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or ["no output"]
    return {
        "tests": f"{'passed' if done.returncode == 0 else 'failed'}: {lines[-1]}",
        "tests_not_passed": [line for line in lines if line.startswith(("SKIPPED", "FAILED"))],
    }


def file_name(gpu: str, versions: Mapping[str, str]) -> str:
    """``NVIDIA H200`` to ``nvidia-h200``; TensorRT's figures lie beside torch's."""
    tensorrt = versions.get("tensorrt")
    named = f"{gpu} tensorrt {tensorrt}" if tensorrt else gpu
    return re.sub(r"[^a-z0-9.]+", "-", named.lower()).strip("-")


def keep(path: Path, result: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, lambda beside: beside.write_text(json.dumps(result, indent=1) + "\n"))
