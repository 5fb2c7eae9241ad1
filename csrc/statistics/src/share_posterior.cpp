#include "bloodcell/share_posterior.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "bloodcell/binomial_interval.hpp"
#include "shift_likelihood.hpp"

namespace bloodcell {
namespace {

constexpr double pi_number = 3.14159265358979323846;

// The interval's shares have a log likelihood, shifts integrated out, at most so far below the top.
constexpr double support_units = 2.0;

constexpr std::size_t search_nodes = 13;
constexpr std::size_t final_nodes = 25;
constexpr std::size_t between_nodes = 10;  // places of the fine grid a step of the final one

// What lies this far below the top in log density does not matter.
constexpr double negligible = 11.0;

// Equal steps of the angle are about equally informative steps of the share (the arcsine
// transform), and it has 0 and 1 as its exact ends.
double share_at(double angle) {
    if (angle >= 1) return 1;
    const double s = std::sin(0.5 * pi_number * angle);
    return s * s;
}

struct Grid {
    double first, last;  // angles
    std::vector<double> log_density;
    std::size_t top;
    Place top_mode;

    double angle(std::size_t i) const {
        const auto steps = static_cast<double>(log_density.size() - 1);
        return i + 1 == log_density.size()
                   ? last
                   : first + (last - first) * static_cast<double>(i) / steps;
    }
};

using Density = ShareDensity (ShiftLikelihood::*)(double, Place) const;

Grid evaluate(const ShiftLikelihood& likelihood, Density density_at, double first, double last,
              std::size_t nodes, Place start) {
    Grid grid{first, last, std::vector<double>(nodes), 0, start};
    Place place = start;
    for (std::size_t i = 0; i < nodes; ++i) {
        const ShareDensity density = (likelihood.*density_at)(share_at(grid.angle(i)), place);
        place = density.mode;
        grid.log_density[i] = density.log_density;
        if (i == 0 || density.log_density > grid.log_density[grid.top]) {
            grid.top = i;
            grid.top_mode = density.mode;
        }
    }
    return grid;
}

// The grid where the posterior is: searched by ever narrower grids, then evaluated well.
Grid located(const ShiftLikelihood& likelihood) {
    double first = 0;
    double last = 1;
    Place start;
    for (int round = 0; round < 4; ++round) {
        const Grid grid =
            evaluate(likelihood, &ShiftLikelihood::approximate, first, last, search_nodes, start);
        start = grid.top_mode;
        const auto matters = [&](double log_density) {
            return log_density > grid.log_density[grid.top] - negligible;
        };
        const auto& values = grid.log_density;
        const auto begin = std::find_if(values.begin(), values.end(), matters) - values.begin();
        const auto end = values.rend() - std::find_if(values.rbegin(), values.rend(), matters);
        const auto nodes = static_cast<std::ptrdiff_t>(search_nodes);
        first = grid.angle(static_cast<std::size_t>(std::max<std::ptrdiff_t>(begin - 1, 0)));
        last = grid.angle(static_cast<std::size_t>(std::min(end, nodes - 1)));
        if (2 * (end - begin) > nodes) break;
    }
    return evaluate(likelihood, &ShiftLikelihood::integrate, first, last, final_nodes, start);
}

// The slope of the curve at node i, limited so that it rises and falls only where the nodes do
// (Fritsch & Carlson 1980, SIAM J. Numer. Anal. 17:238): where the shifts change to another mode,
// neighbouring nodes may lie hundreds apart, and a free cubic would swing above them.
double slope_at(const std::vector<double>& y, std::size_t i) {
    if (i == 0) return y[1] - y[0];
    if (i + 1 == y.size()) return y[i] - y[i - 1];
    const double before = y[i] - y[i - 1];
    const double after = y[i + 1] - y[i];
    if (before * after <= 0) return 0;
    const double limit = 3 * std::min(std::abs(before), std::abs(after));
    return std::clamp(0.5 * (before + after), -limit, limit);
}

// The cubic between the nodes i and i + 1 with these slopes, at i + t.
double interpolated(const std::vector<double>& y, std::size_t i, double t) {
    const double u = 1 - t;
    return u * u * ((1 + 2 * t) * y[i] + t * slope_at(y, i)) +
           t * t * ((1 + 2 * u) * y[i + 1] - u * slope_at(y, i + 1));
}

// Shares in ascending order with the log density at each and the posterior mass up to it.
class Posterior {
public:
    explicit Posterior(const Grid& grid) {
        const std::size_t steps = (grid.log_density.size() - 1) * between_nodes;
        const double width = (grid.last - grid.first) / static_cast<double>(steps);
        for (std::size_t i = 0; i <= steps; ++i) {
            const std::size_t node = std::min(i / between_nodes, grid.log_density.size() - 2);
            const double t = static_cast<double>(i - node * between_nodes) / between_nodes;
            const double angle =
                i == steps ? grid.last : grid.first + width * static_cast<double>(i);
            shares_.push_back(share_at(angle));
            log_densities_.push_back(interpolated(grid.log_density, node, t));
        }
        add_up();
    }

    double mass_below(double share) const { return read(shares_, masses_, share); }
    double quantile(double mass) const { return read(masses_, shares_, mass); }

    // From the lowest to the highest share whose log density is at most `units` below the top. The
    // prior is flat on the grid's scale, so the density is the likelihood.
    Interval supported(double units) const {
        const auto& values = log_densities_;
        const double least = *std::max_element(values.begin(), values.end()) - units;
        const auto holds = [least](double log_density) { return log_density >= least; };
        const auto before = std::find_if(values.begin(), values.end(), holds) - values.begin();
        const auto after = std::find_if(values.rbegin(), values.rend(), holds) - values.rbegin();
        const auto first = static_cast<std::size_t>(before);
        const auto last = values.size() - 1 - static_cast<std::size_t>(after);
        return {before == 0 ? shares_.front() : crossing(first - 1, first, least),
                after == 0 ? shares_.back() : crossing(last + 1, last, least)};
    }

private:
    void add_up() {
        const double top = *std::max_element(log_densities_.begin(), log_densities_.end());
        double previous = 0;
        for (const double log_density : log_densities_) {
            const double density = std::exp(log_density - top);
            masses_.push_back(masses_.empty() ? 0.0 : masses_.back() + 0.5 * (density + previous));
            previous = density;
        }
        for (double& mass : masses_) mass /= masses_.back();
    }

    // The share between neighbouring places where the log density is `level`.
    double crossing(std::size_t below, std::size_t above, double level) const {
        const double t =
            (level - log_densities_[below]) / (log_densities_[above] - log_densities_[below]);
        return shares_[below] + t * (shares_[above] - shares_[below]);
    }

    static double read(const std::vector<double>& from, const std::vector<double>& to, double x) {
        const auto above = std::upper_bound(from.begin(), from.end(), x);
        if (above == from.begin()) return to.front();
        if (above == from.end()) return to.back();
        const auto i = static_cast<std::size_t>(above - from.begin());
        const double t = (x - from[i - 1]) / (from[i] - from[i - 1]);
        return to[i - 1] + t * (to[i] - to[i - 1]);
    }

    std::vector<double> shares_;
    std::vector<double> log_densities_;
    std::vector<double> masses_;
};

// Pearson's statistic over neighbouring pairs of bins joined to 5 expected cells or more.
double misfit_score(const ShiftLikelihood& likelihood, const PairValues& chance,
                    const std::int64_t* histogram) {
    double chi_square = 0;
    double expected = 0;
    double observed = 0;
    int groups = 0;
    double expected_left = likelihood.cells();
    for (std::size_t k = 0; k < pair_bins; ++k) {
        expected += likelihood.cells() * chance[k];
        expected_left -= likelihood.cells() * chance[k];
        observed += static_cast<double>(histogram[2 * k] + histogram[2 * k + 1]);
        if (k + 1 == pair_bins || (expected >= 5 && expected_left >= 5)) {
            chi_square += (observed - expected) * (observed - expected) / expected;
            ++groups;
            expected = 0;
            observed = 0;
        }
    }
    // The share takes one degree of freedom, the total another; shifts have their own prior.
    const double freedom = std::max(groups - 2, 1);
    const double spread = 2 / (9 * freedom);
    return (std::cbrt(likelihood.weight() * chi_square / freedom) - (1 - spread)) /
           std::sqrt(spread);
}

}  // namespace

ShareEstimate estimate_share(const ShiftModel& model, const std::int64_t* histogram) {
    const ShiftLikelihood likelihood(model, histogram);
    const Grid grid = located(likelihood);
    const Posterior posterior(grid);
    const Interval supported = posterior.supported(support_units);
    ShareEstimate estimate{};
    estimate.share = posterior.quantile(0.5);
    // A long, low tail can hold half of the mass; seen once in 180,000 simulated patients.
    estimate.low = std::min(supported.low, estimate.share);
    estimate.high = std::max(supported.high, estimate.share);
    const double five = posterior.mass_below(0.05);
    const double ten = posterior.mass_below(0.10);
    const double twenty = posterior.mass_below(0.20);
    estimate.bands = {five, ten - five, twenty - ten, 1 - twenty};
    const PairValues chance =
        likelihood.pair_chances(share_at(grid.angle(grid.top)), grid.top_mode);
    estimate.misfit = misfit_score(likelihood, chance, histogram);
    estimate.shift = std::hypot(grid.top_mode.blast, grid.top_mode.other);
    return estimate;
}

}  // namespace bloodcell
