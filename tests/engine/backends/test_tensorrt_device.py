"""What the device does, as far as it can be had without one."""

import ctypes
import shutil
import subprocess
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pytest

from bloodcell.engine.backends.passes import chunks
from bloodcell.engine.backends.tensorrt import kernel
from bloodcell.engine.backends.tensorrt.runtime import out_of_memory
from bloodcell.engine.probabilities import calibrated_probabilities

FOR_THE_CPU = """
#include <cmath>
using std::isfinite;
#define __global__
static struct { int x; } blockIdx, blockDim, threadIdx;
%s
extern "C" void launch(const float* logits, float* out, int rows, int classes, double t,
                       const double* ratios) {
    blockDim.x = %d;
    for (blockIdx.x = 0; blockIdx.x * blockDim.x < rows; ++blockIdx.x)
        for (threadIdx.x = 0; threadIdx.x < blockDim.x; ++threadIdx.x)
            calibrated_probabilities(logits, out, rows, classes, t, ratios);
}
"""

Softmax = Callable[..., npt.NDArray[np.float32]]
RATIOS = (0.0, 0.0, 6.5, *np.linspace(0.3, 2, 15))


@pytest.fixture(scope="module")
def softmax(tmp_path_factory: pytest.TempPathFactory) -> Softmax:
    """The kernel, compiled for the CPU."""
    compiler = shutil.which("c++") or pytest.skip("no C++ compiler: c++ is not on the PATH")
    folder = tmp_path_factory.mktemp("kernel")
    (folder / "kernel.cpp").write_text(FOR_THE_CPU % (kernel.SOURCE, kernel.BLOCK))
    command = [compiler, "-O1", "-shared", "-fPIC", "-o", "kernel.so", "kernel.cpp"]
    subprocess.run(command, cwd=folder, check=True)
    launch = ctypes.CDLL(str(folder / "kernel.so")).launch
    matrix = np.ctypeslib.ndpointer(np.float32, ndim=2, flags="C")
    launch.argtypes = [matrix, matrix, ctypes.c_int, ctypes.c_int, ctypes.c_double,
                       np.ctypeslib.ndpointer(np.float64, ndim=1, flags="C")]  # fmt: skip

    def run(
        logits: npt.NDArray[np.float32], temperature: float, ratios: Sequence[float] = ()
    ) -> npt.NDArray[np.float32]:
        result = np.full_like(logits, -1)
        of_each = np.array(ratios or [0] * logits.shape[1], np.float64)
        launch(logits, result, *logits.shape, temperature, of_each)
        return result

    return run


@pytest.mark.parametrize("rows", [1, kernel.BLOCK, kernel.BLOCK + 1])
@pytest.mark.parametrize("ratios", [(), RATIOS])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7])
def test_the_kernel_does_what_the_host_does(
    softmax: Softmax, rows: int, temperature: float, ratios: Sequence[float]
) -> None:
    random = np.random.default_rng(rows)
    logits = (random.standard_normal((rows, 18)) * 8).astype(np.float32)
    expected = calibrated_probabilities(logits, temperature, ratios)
    # exp and the order of the sum may differ in the last bit: one step, and rarely.
    difference = np.abs(softmax(logits, temperature, ratios) - expected) * 65536
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.001


def test_the_kernel_keeps_extremes_and_marks_what_is_no_number(softmax: Softmax) -> None:
    logits = np.array(
        [[3e38, -3e38, 0], [np.nan, 0, 0], [0, np.inf, 0], [0, 0, -np.inf], [7, 7, 7]], np.float32
    )
    np.testing.assert_array_equal(softmax(logits, 1.0), calibrated_probabilities(logits, 1.0))
    assert np.isnan(softmax(logits, 1.0)[1:4]).all()


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, []),
        (1, [(0, 1)]),
        (4, [(0, 4)]),
        (5, [(0, 4), (4, 5)]),
        (9, [(0, 4), (4, 8), (8, 9)]),
    ],
)
def test_chunks_cover_every_row_once(count: int, expected: list[tuple[int, int]]) -> None:
    assert list(chunks(count, 4)) == expected


def test_too_little_memory_suggests_a_smaller_batch() -> None:
    assert "plan for batches of 128" in str(out_of_memory(256, "cudaMalloc failed"))
    assert str(out_of_memory(1, "cudaMalloc failed")).endswith("plan for batches of 1")
