"""`make gpu-check`: every test that needs a GPU, and the network benchmark, on a GPU machine.

Runs from a plain copied tree, without network, with what is importable; writes
`benchmarks/results/<gpu>.json`. Exit status: 0 done; 1 a test failed or could not be run; 5 no
GPU, then nothing is written. What it does with a GPU has not been run on one yet.
"""

import importlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import network_speed
from network_speed import BATCHES, Candidate

from bloodcell.engine.backends import Backend, Network
from bloodcell.engine.backends.cuda import first_device, why_no_cuda
from bloodcell.files import write_whole

TREE = Path(__file__).resolve().parents[1]
RESULTS = TREE / "benchmarks" / "results"
NO_GPU = 5
PACKAGES = (
    "tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings", "cupy", "nvidia.dali", "torch", "onnx",
    "onnxruntime", "numpy", "pyarrow", "pytest",
)  # fmt: skip


def main() -> int:
    if reason := why_no_cuda():
        print(f"gpu-check: {reason}; nothing was run or written", file=sys.stderr)
        return NO_GPU
    result = {"date": datetime.now(timezone.utc).isoformat(timespec="seconds"), **environment()}
    path = RESULTS / f"{file_name(result['gpu']['name'])}.json"
    extension = ensure_extension()
    result["tests"] = extension or run_tests()
    keep(path, result)
    measure(path, result)
    print(f"gpu-check: tests: {result['tests']}; figures: {path}")
    return 0 if str(result["tests"]).startswith("passed") else 1


def measure(path: Path, result: dict[str, Any]) -> None:
    """Measure, keeping every figure as soon as it is there."""
    result["networks"] = entries = []
    candidates, lacking = gpu_candidates()
    result["missing"] += lacking
    with tempfile.TemporaryDirectory() as folder:
        networks = network_speed.shipped_networks()
        try:
            result["gemm_tflops"] = network_speed.gemm_tflops()
            networks.append(network_speed.random_resnext50(Path(folder)))
        except ImportError as error:
            result["missing"].append(f"the random ResNeXt-50 and the arithmetic ceiling: {error}")
        for entry in network_speed.measure_all(networks, candidates, BATCHES):
            entries.append(entry)
            result["ratios"] = network_speed.ratios(entries, result.get("gemm_tflops", {}))
            keep(path, result)
            print(json.dumps(entry))


def gpu_candidates() -> tuple[list[Candidate], list[str]]:
    """What can be measured here, and why the rest cannot."""
    found, missing = [], []
    for name, opener, sources in (
        ("tensorrt", _tensorrt, {"host": _as_it_is, "device": _on_device}),
        ("torch", _torch, {"host": _as_it_is}),
    ):
        packages = ("tensorrt or tensorrt_rtx", "cupy") if name == "tensorrt" else ("torch",)
        lacking = [p for p in packages if not any(map(version_of, p.split(" or ")))]
        if lacking:
            missing.append(f"backend {name}: {', '.join(lacking)} not importable")
            continue
        found += [Candidate(name, p, opener(p), sources) for p in ("float16", "float32")]
    return found, missing


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
    for command in (
        ["cmake", "-S", TREE, "-B", build, f"-Dpybind11_DIR={pybind11}",
         f"-DPython_EXECUTABLE={sys.executable}"],
        ["cmake", "--build", build, "--target", "_core", "--parallel"],
    ):  # fmt: skip
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            return f"not run: building the extension failed: {done.stderr.strip()[-300:]}"
    for library in build.glob("_core*.so"):
        shutil.copy(library, TREE / "bloodcell")
    importlib.invalidate_caches()
    return None if version_of("bloodcell._core") else "not run: the built extension does not load"


def run_tests() -> str:
    """All tests marked ``gpu``, in a process of their own; its summary."""
    if not version_of("pytest"):
        return "not run: pytest is not importable"
    # Only the files that hold some: others may import what a GPU machine lacks.
    files = [f for f in sorted((TREE / "tests").glob("test_*.py")) if "mark.gpu" in f.read_text()]
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "-p", "no:cacheprovider", *files]
    done = subprocess.run(command, cwd=TREE, check=False, capture_output=True, text=True)
    print(done.stdout)
    lines = done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or ["no output"]
    return f"{'passed' if done.returncode == 0 else 'failed'}: {lines[-1]}"


def driver_version() -> str | None:
    """The driver's own version, where its module tells it."""
    module = Path("/sys/module/nvidia/version")
    return module.read_text().strip() if module.exists() else None


def file_name(gpu: str) -> str:
    """``NVIDIA H200`` to ``nvidia-h200``."""
    return re.sub(r"[^a-z0-9]+", "-", gpu.lower()).strip("-")


def keep(path: Path, result: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, lambda beside: beside.write_text(json.dumps(result, indent=1) + "\n"))


def _tensorrt(precision: Any) -> Any:
    def open_for(network: Network, batch: int) -> Backend:
        from bloodcell.engine.backends.tensorrt.plan import PlanOptions
        from bloodcell.engine.backends.tensorrt.runtime import TensorRTBackend

        return TensorRTBackend(network, PlanOptions(largest_batch=batch, precision=precision))

    return open_for


def _torch(precision: Any) -> Any:
    def open_for(network: Network, batch: int) -> Backend:
        import torch

        from bloodcell.engine.backends.torch_device import TorchDeviceBackend

        # FP32 is to mean FP32, as for TensorRT.
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        return TorchDeviceBackend(network, batch, float16=precision == "float16")

    return open_for


def _as_it_is(pixels: Any) -> Any:
    return pixels


def _on_device(pixels: Any) -> Any:
    return importlib.import_module("cupy").asarray(pixels)


if __name__ == "__main__":
    sys.exit(main())
