#include "shift_likelihood.hpp"

#include <algorithm>
#include <cmath>

namespace bloodcell {
namespace {

// Keeps the logarithm finite where a shape has no mass.
constexpr double least_chance = 1e-12;

double log_prior(Place place) {
    return -0.5 * (place.blast * place.blast + place.other * place.other);
}

// Fisher scoring's step to the mode, at most 1.5 long.
Place step_from(const Steepness& s) {
    const double determinant = s.blast_blast * s.other_other - s.blast_other * s.blast_other;
    const Place step{(s.other_other * s.blast - s.blast_other * s.other) / determinant,
                     (s.blast_blast * s.other - s.blast_other * s.blast) / determinant};
    const double factor = std::min(1.5 / std::hypot(step.blast, step.other), 1.0);
    return {step.blast * factor, step.other * factor};
}

}  // namespace

ShiftLikelihood::ShiftLikelihood(const ShiftModel& model, const std::int64_t* histogram)
    : model_(model) {
    for (std::size_t g = 0; g < share_groups; ++g) {
        for (std::size_t k = 2 * group_edges[g]; k < 2 * group_edges[g + 1]; ++k) {
            counts_[g] += static_cast<double>(histogram[k]);
        }
        cells_ += counts_[g];
    }
    weight_ = 1 / (1 + cells_ / model.worth_cells);
    for (double& count : counts_) count *= weight_;
}

Steepness ShiftLikelihood::steepness(double share, Place place) const {
    GroupValues blast, other, blast_slope, other_slope;
    model_.blast.groups(model_.blast_spread.shift(place.blast), blast.data(), blast_slope.data());
    model_.other.groups(model_.other_spread.shift(place.other), other.data(), other_slope.data());
    const double by_blast = share * model_.blast_spread.slope(place.blast);
    const double by_other = (1 - share) * model_.other_spread.slope(place.other);
    Steepness sum{log_prior(place), -place.blast, -place.other, 1, 0, 1};
    for (std::size_t g = 0; g < share_groups; ++g) {
        const double chance = share * blast[g] + (1 - share) * other[g] + least_chance;
        const double b = by_blast * blast_slope[g] / chance;
        const double o = by_other * other_slope[g] / chance;
        if (counts_[g] > 0) sum.log_joint += counts_[g] * std::log(chance);
        sum.blast += counts_[g] * b;
        sum.other += counts_[g] * o;
        sum.blast_blast += counts_[g] * b * b;
        sum.blast_other += counts_[g] * b * o;
        sum.other_other += counts_[g] * o * o;
    }
    return sum;
}

BestShifts ShiftLikelihood::best_shifts(double share, Place place) const {
    Steepness at_place = steepness(share, place);
    for (int round = 0; round < 20; ++round) {
        const Place step = step_from(at_place);
        if (std::abs(step.blast) + std::abs(step.other) < 0.05) break;
        if (!climbs(share, step, place, at_place)) break;
    }
    return {at_place.log_joint, place};
}

// Takes the step, halved until it leads upwards: where a shape is steep the whole one may lead far
// beyond the mode, and the next one back again.
bool ShiftLikelihood::climbs(double share, Place step, Place& place, Steepness& at_place) const {
    for (int halving = 0; halving < 6; ++halving) {
        const Place next{place.blast + step.blast, place.other + step.other};
        const Steepness there = steepness(share, next);
        if (there.log_joint > at_place.log_joint) {
            place = next;
            at_place = there;
            return true;
        }
        step = {0.5 * step.blast, 0.5 * step.other};
    }
    return false;
}

PairValues ShiftLikelihood::pair_chances(double share, Place place) const {
    PairValues chance, other;
    model_.blast.pairs(model_.blast_spread.shift(place.blast), chance.data());
    model_.other.pairs(model_.other_spread.shift(place.other), other.data());
    for (std::size_t k = 0; k < pair_bins; ++k) {
        chance[k] = share * chance[k] + (1 - share) * other[k] + least_chance;
    }
    return chance;
}

}  // namespace bloodcell
