#include "bloodcell/shift_model.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>

namespace bloodcell {
namespace {

constexpr double bin_width = 0.5;
constexpr double largest_shift = 12.0;

double weighted(const std::array<double, 4>& weights, const double* at) {
    return weights[0] * at[-2] + weights[1] * at[-1] + weights[2] * at[0] + weights[3] * at[1];
}

}  // namespace

// Cubic B-spline weights of the bins two and one below, at, and one above, and their slopes.
struct Shape::Move {
    explicit Move(double shift) {
        const double bins = std::clamp(shift, -largest_shift, largest_shift) / bin_width;
        whole = static_cast<std::ptrdiff_t>(std::floor(bins));
        const double t = bins - std::floor(bins);
        const double u = 1 - t;
        weights = {t * t * t / 6, (((-3 * t + 3) * t + 3) * t + 1) / 6,
                   ((3 * t - 6) * t * t + 4) / 6, u * u * u / 6};
        slopes = {t * t / 2, ((-3 * t + 2) * t + 1) / 2, (3 * t - 4) * t / 2, -u * u / 2};
        for (double& slope : slopes) slope /= bin_width;
    }

    std::ptrdiff_t whole;
    std::array<double, 4> weights, slopes;
};

Shape::Shape(const std::vector<double>& masses) {
    const auto usable = [](double mass) { return std::isfinite(mass) && mass >= 0; };
    if (masses.size() != shape_bins || !std::all_of(masses.begin(), masses.end(), usable)) {
        throw std::invalid_argument("expected a shape of " + std::to_string(shape_bins) +
                                    " finite masses of 0 or more");
    }
    const double sum = std::accumulate(masses.begin(), masses.end(), 0.0);
    if (!(sum > 0 && std::isfinite(sum))) {
        throw std::invalid_argument("expected a shape with a positive, finite sum");
    }
    double below = 0;
    for (std::size_t i = 0; i < below_.size(); ++i) {
        const bool inside = i >= padding && i < padding + shape_bins;
        below += inside ? masses[i - padding] / sum : 0;
        below_[i] = below;
    }
}

// The moved shape's mass below an edge between pairs, and unless null its slope by the shift.
double Shape::below(const Move& move, std::size_t edge, double* slope) const {
    // What ends at this edge is at [edge - 1 + padding + shape_margin] when nothing is moved.
    const double* at =
        below_.data() + static_cast<std::ptrdiff_t>(edge + padding + shape_margin) - 1 - move.whole;
    if (slope) *slope = weighted(move.slopes, at);
    return weighted(move.weights, at);
}

void Shape::groups(double shift, double* mass, double* slope) const {
    const Move move(shift);
    double left = 0;
    double left_slope = 0;
    for (std::size_t g = 0; g < share_groups; ++g) {
        const bool is_last = g + 1 == share_groups;
        double right_slope = 0;
        const double right =
            is_last ? 1 : below(move, group_edges[g + 1], slope ? &right_slope : nullptr);
        mass[g] = right - left;
        if (slope) slope[g] = right_slope - left_slope;
        left = right;
        left_slope = right_slope;
    }
}

void Shape::pairs(double shift, double* mass) const {
    const Move move(shift);
    double left = 0;
    for (std::size_t k = 0; k < pair_bins; ++k) {
        const double right = k + 1 == pair_bins ? 1 : below(move, k + 1, nullptr);
        mass[k] = right - left;
        left = right;
    }
}

double Spread::shift(double z) const { return scale * std::sinh(tail * z) / tail; }

double Spread::slope(double z) const { return scale * std::cosh(tail * z); }

void ShiftModel::check() const {
    constexpr double most = 1e9;  // far beyond any fit: what follows of larger ones overflows
    for (const Spread& spread : {blast_spread, other_spread}) {
        if (!(spread.scale >= 0 && spread.scale <= most)) {
            throw std::invalid_argument("expected a scale of 0 to 1e9");
        }
        if (!(spread.tail > 0 && spread.tail <= 2)) {
            throw std::invalid_argument("expected a tail above 0, at most 2");
        }
    }
    if (!(worth_cells > 0 && worth_cells <= most)) {
        throw std::invalid_argument("expected a worth in cells above 0, at most 1e9");
    }
}

}  // namespace bloodcell
