"""What the device does with logits: one kernel from them to what is stored of a cell.

The same arithmetic as ``calibrated_probabilities``, in double precision, one thread a row, so that
no row can depend on another. Compiled for a GPU by CuPy; the tests compile it for the CPU.
"""

NAME = "calibrated_probabilities"

BLOCK = 128
"""Threads a block; ``ceil(rows / BLOCK)`` blocks."""

SOURCE = r"""
extern "C" __global__ void calibrated_probabilities(
    const float* logits, float* probabilities, int rows, int classes, double temperature)
{
    const int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows) return;
    const float* mine = logits + (long long)row * classes;
    float* result = probabilities + (long long)row * classes;
    double largest = (double)mine[0] / temperature;
    bool numbers = true;
    for (int k = 0; k < classes; ++k) {
        numbers = numbers && isfinite(mine[k]);
        largest = fmax(largest, (double)mine[k] / temperature);
    }
    double sum = 0.0;
    for (int k = 0; k < classes; ++k) sum += exp((double)mine[k] / temperature - largest);
    for (int k = 0; k < classes; ++k) {
        const double share = exp((double)mine[k] / temperature - largest) / sum;
        result[k] = numbers ? (float)(rint(share * 65536.0) / 65536.0) : nanf("");
    }
}
"""
