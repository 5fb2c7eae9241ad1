"""What the device does with logits: one kernel from them to what is stored of a cell.

The same arithmetic as ``calibrated_probabilities``, in double precision, one thread a row, so that
no row can depend on another. A network without ``prior_ratios`` has a 0 for each class. Compiled
for a GPU by CuPy; the tests compile it for the CPU.
"""

NAME = "calibrated_probabilities"

BLOCK = 128
"""Threads a block; ``ceil(rows / BLOCK)`` blocks."""

SOURCE = r"""
extern "C" __global__ void calibrated_probabilities(
    const float* logits, float* probabilities, int rows, int classes, double temperature,
    const double* prior_ratios)
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
    double left = 0.0, weighted = 0.0;
    for (int k = 0; k < classes; ++k) {
        const double share = exp((double)mine[k] / temperature - largest) / sum;
        left += prior_ratios[k] > 0.0 ? share : 0.0;
        weighted += prior_ratios[k] * share;
    }
    const double scale = left / fmax(weighted, 1e-300);
    for (int k = 0; k < classes; ++k) {
        const double factor = prior_ratios[k] > 0.0 ? prior_ratios[k] * scale : 1.0;
        const double share = exp((double)mine[k] / temperature - largest) / sum * factor;
        result[k] = numbers ? (float)(rint(share * 65536.0) / 65536.0) : nanf("");
    }
}
"""
