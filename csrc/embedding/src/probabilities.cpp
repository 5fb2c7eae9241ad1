#include "probabilities.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "bloodcell/blast_bins.hpp"

namespace bloodcell {

namespace {

void apply_priors(const std::vector<double>& ratios, std::vector<double>& told) {
    double left = 0;
    double weighted = 0;
    for (std::size_t c = 0; c < told.size(); ++c) {
        left += ratios[c] > 0 ? told[c] : 0;
        weighted += ratios[c] * told[c];
    }
    const double scale = left / std::max(weighted, 1e-300);
    for (std::size_t c = 0; c < told.size(); ++c) told[c] *= ratios[c] > 0 ? ratios[c] * scale : 1;
}

}  // namespace

bool calibrated(const float* logits, std::size_t classes, double temperature,
                const std::vector<double>& prior_ratios, float* probabilities) {
    std::vector<double> scaled(logits, logits + classes);
    for (double& value : scaled) value /= temperature;
    if (!std::all_of(scaled.begin(), scaled.end(),
                     [](double value) { return std::isfinite(value); })) {
        std::fill_n(probabilities, classes, std::numeric_limits<float>::quiet_NaN());
        return false;
    }
    const double top = *std::max_element(scaled.begin(), scaled.end());
    for (double& value : scaled) value = std::exp(value - top);
    const double sum = std::accumulate(scaled.begin(), scaled.end(), 0.0);
    for (double& value : scaled) value /= sum;
    if (!prior_ratios.empty()) apply_priors(prior_ratios, scaled);
    constexpr auto steps = static_cast<double>(probability_one);
    std::transform(scaled.begin(), scaled.end(), probabilities, [](double value) {
        return static_cast<float>(std::nearbyint(value * steps) / steps);
    });
    return true;
}

}  // namespace bloodcell
