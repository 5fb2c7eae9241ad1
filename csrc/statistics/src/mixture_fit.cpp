#include "bloodcell/mixture_fit.hpp"

#include <algorithm>
#include <cmath>

#include "shift_likelihood.hpp"

namespace bloodcell {
namespace {

constexpr double half_pi = 1.57079632679489661923;
constexpr int search_rounds = 4;
constexpr std::size_t search_steps = 12;

struct Mixture {
    double share;
    BestShifts shifts;
};

// Equal steps of the angle are about equally informative steps of the share (the arcsine
// transform), and it has 0 and 1 as its exact ends.
double share_at(double angle) {
    if (angle >= 1) return 1;
    const double s = std::sin(half_pi * angle);
    return s * s;
}

// By ever narrower grids around the best share; shifts are sought from those of the share before.
Mixture best_mixture(const ShiftLikelihood& likelihood) {
    double first = 0;
    double last = 1;
    Mixture best{0, likelihood.best_shifts(0, {})};
    double best_angle = 0;
    for (int round = 0; round < search_rounds; ++round) {
        const double step = (last - first) / search_steps;
        Place start = best.shifts.place;
        for (std::size_t i = 0; i <= search_steps; ++i) {
            const double angle = first + step * static_cast<double>(i);
            const BestShifts shifts = likelihood.best_shifts(share_at(angle), start);
            start = shifts.place;
            if (shifts.log_joint <= best.shifts.log_joint) continue;
            best = {share_at(angle), shifts};
            best_angle = angle;
        }
        first = std::max(best_angle - step, 0.0);
        last = std::min(best_angle + step, 1.0);
    }
    return best;
}

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

MixtureFit fit_mixture(const ShiftModel& model, const std::int64_t* histogram) {
    const ShiftLikelihood likelihood(model, histogram);
    const Mixture best = best_mixture(likelihood);
    const Place place = best.shifts.place;
    return {misfit_score(likelihood, likelihood.pair_chances(best.share, place), histogram),
            std::hypot(place.blast, place.other)};
}

}  // namespace bloodcell
