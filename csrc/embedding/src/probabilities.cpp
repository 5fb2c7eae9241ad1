#include "probabilities.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "bloodcell/blast_bins.hpp"

namespace bloodcell {

bool calibrated(const float* logits, std::size_t classes, double temperature,
                float* probabilities) {
    if (!std::all_of(logits, logits + classes, [](float logit) { return std::isfinite(logit); })) {
        std::fill_n(probabilities, classes, std::numeric_limits<float>::quiet_NaN());
        return false;
    }
    std::vector<double> scaled(logits, logits + classes);
    for (double& value : scaled) value /= temperature;
    const double top = *std::max_element(scaled.begin(), scaled.end());
    for (double& value : scaled) value = std::exp(value - top);
    const double sum = std::accumulate(scaled.begin(), scaled.end(), 0.0);
    constexpr auto steps = static_cast<double>(probability_one);
    std::transform(scaled.begin(), scaled.end(), probabilities, [sum](double value) {
        return static_cast<float>(std::nearbyint(value / sum * steps) / steps);
    });
    return true;
}

}  // namespace bloodcell
