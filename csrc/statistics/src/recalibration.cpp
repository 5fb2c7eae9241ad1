#include "bloodcell/recalibration.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace bloodcell {
namespace {

// Curves this far below the best in log posterior do not matter: together less than e^-6.
constexpr double negligible = 14.0;

double middle_of(std::size_t bin) { return 0.5 * (blast_bin_edge(bin) + blast_bin_edge(bin + 1)); }

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// mu of all curves and bins, computed at the first use and shared from then on (1.6 MB).
const std::vector<double>& chance_table() {
    static const std::vector<double> table = [] {
        std::vector<double> chances;
        chances.reserve(curve_nodes * blast_bins);
        for (std::size_t node = 0; node < curve_nodes; ++node) {
            const Curve curve = curve_at(node);
            for (std::size_t k = 0; k < blast_bins; ++k) chances.push_back(curve.chance(k));
        }
        return chances;
    }();
    return table;
}

// Up to a constant. (a, c) as standardised distances, through the Cholesky factor.
double log_prior(const RecalibrationPrior& prior, const Curve& centre, const Curve& curve) {
    const double u = (curve.intercept - centre.intercept) / prior.intercept_scale;
    const double v = (curve.log_slope - centre.log_slope) / prior.log_slope_scale;
    const double rest = v - prior.correlation * u;
    const double square = u * u + rest * rest / (1 - prior.correlation * prior.correlation);
    return -0.5 * (curve_freedom + 2) * std::log1p(square / curve_freedom);
}

}  // namespace

double Curve::chance(std::size_t bin) const {
    // Kept off 0 and 1: no label of a cell is impossible.
    return std::clamp(sigmoid(intercept + std::exp(log_slope) * middle_of(bin)), 1e-3, 1 - 1e-3);
}

Curve curve_at(std::size_t node) {
    return {-9 + 0.25 * static_cast<double>(node / log_slope_nodes),
            -3 + 0.1 * static_cast<double>(node % log_slope_nodes)};
}

std::array<double, curve_features> features_of(const std::int64_t* histogram) {
    double cells = 0;
    double blasts = 0;
    double unsure = 0;
    for (std::size_t k = 0; k < blast_bins; ++k) {
        const auto count = static_cast<double>(histogram[k]);
        const double p = sigmoid(middle_of(k));
        cells += count;
        blasts += count * p;
        unsure += count * p * (1 - p);
    }
    const double mean = blasts / cells;
    return {1, std::log((mean + 0.002) / (1 - mean + 0.002)), unsure / cells};
}

void RecalibrationPrior::check() const {
    // Far beyond any fit, and near enough that no curve's chance overflows: all would be NaN.
    constexpr double most = 1e9;
    const auto usable = [](double x) { return std::abs(x) <= most; };
    const auto positive = [](double x) { return x >= 1 / most && x <= most; };
    if (!std::all_of(intercept.begin(), intercept.end(), usable) ||
        !std::all_of(log_slope.begin(), log_slope.end(), usable)) {
        throw std::invalid_argument("intercept and log_slope: expected coefficients within 1e9");
    }
    if (!positive(intercept_scale) || !positive(log_slope_scale)) {
        throw std::invalid_argument(
            "intercept_scale and log_slope_scale: expected above 0, 1e-9 to 1e9");
    }
    if (!(std::abs(correlation) < 1)) {
        throw std::invalid_argument("correlation: expected between -1 and 1");
    }
    if (!positive(worth_cells)) {
        throw std::invalid_argument("worth_cells: expected above 0, 1e-9 to 1e9");
    }
}

Recalibration::Recalibration(const RecalibrationPrior& prior, const std::int64_t* histogram) {
    const auto features = features_of(histogram);
    Curve centre{0, 0};
    for (std::size_t j = 0; j < curve_features; ++j) {
        centre.intercept += prior.intercept[j] * features[j];
        centre.log_slope += prior.log_slope[j] * features[j];
    }
    log_weights_.reserve(curve_nodes);
    for (std::size_t node = 0; node < curve_nodes; ++node) {
        log_weights_.push_back(log_prior(prior, centre, curve_at(node)));
    }
    double cells = 0;
    for (std::size_t k = 0; k < blast_bins; ++k) cells += static_cast<double>(histogram[k]);
    for (std::size_t k = 0; k < blast_bins; ++k) {
        const double part = static_cast<double>(histogram[k]) / cells;
        prior_cells_[k] = std::max(0.5, prior.worth_cells * part - 1);
        slope_[k] = 1;
    }
}

double Recalibration::chance(std::size_t node, std::size_t bin) const {
    const double mu = chance_table()[node * blast_bins + bin];
    return slope_[bin] * mu + offset_[bin];
}

double Recalibration::chance_of_blast(std::size_t bin) const {
    double sum = 0;
    for (const auto& curve : curves()) sum += curve.weight * chance(curve.node, bin);
    return sum;
}

void Recalibration::see(std::size_t bin, bool is_blast) {
    const double p = chance_of_blast(bin);
    const double if_blast = std::log(p);
    const double if_other = std::log1p(-p);
    log_score_ += (is_blast ? if_blast : if_other) - (p * if_blast + (1 - p) * if_other);
    log_score_variance_ += p * (1 - p) * (if_blast - if_other) * (if_blast - if_other);
    for (std::size_t node = 0; node < curve_nodes; ++node) {
        const double foretold = chance(node, bin);
        log_weights_[node] += std::log(is_blast ? foretold : 1 - foretold);
    }
    seen_[bin] += 1;
    blasts_[bin] += is_blast ? 1 : 0;
    slope_[bin] = prior_cells_[bin] / concentration(bin);
    offset_[bin] = blasts_[bin] / concentration(bin);
}

std::vector<Recalibration::Weighted> Recalibration::curves() const {
    const double top = *std::max_element(log_weights_.begin(), log_weights_.end());
    std::vector<Weighted> weighted;
    double sum = 0;
    for (std::size_t node = 0; node < curve_nodes; ++node) {
        const double below = log_weights_[node] - top;
        if (below < -negligible) continue;
        weighted.push_back({node, std::exp(below)});
        sum += weighted.back().weight;
    }
    for (auto& curve : weighted) curve.weight /= sum;
    return weighted;
}

double Recalibration::surprise() const {
    return log_score_variance_ > 0 ? log_score_ / std::sqrt(log_score_variance_) : 0;
}

}  // namespace bloodcell
