#include "shift_likelihood.hpp"

#include <algorithm>
#include <cmath>

namespace bloodcell {
namespace {

// Keeps the logarithm finite where a shape has no mass.
constexpr double least_chance = 1e-12;

constexpr double log_two_pi = 1.8378770664093453;

double log_prior(Place place) {
    return -0.5 * (place.blast * place.blast + place.other * place.other);
}

double determinant_of(const Steepness& s) {
    return s.blast_blast * s.other_other - s.blast_other * s.blast_other;
}

// Fisher scoring's step to the mode, at most 1.5 long.
Place step_from(const Steepness& s) {
    const double determinant = determinant_of(s);
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

double ShiftLikelihood::log_joint(double share, Place place) const {
    GroupValues blast, other;
    model_.blast.groups(model_.blast_spread.shift(place.blast), blast.data(), nullptr);
    model_.other.groups(model_.other_spread.shift(place.other), other.data(), nullptr);
    double sum = log_prior(place);
    for (std::size_t g = 0; g < share_groups; ++g) {
        if (counts_[g] > 0) {
            sum += counts_[g] * std::log(share * blast[g] + (1 - share) * other[g] + least_chance);
        }
    }
    return sum;
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

Place ShiftLikelihood::mode(double share, Place place, Steepness& at_mode) const {
    // An end short of the mode costs accuracy only, not validity: the rule of integrate() is
    // centred where this ends.
    at_mode = steepness(share, place);
    for (int round = 0; round < 20; ++round) {
        const Place step = step_from(at_mode);
        if (std::abs(step.blast) + std::abs(step.other) < 0.05) break;
        if (!climbs(share, step, place, at_mode)) break;
    }
    return place;
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

ShareDensity ShiftLikelihood::integrate(double share, Place start) const {
    Steepness s{};
    const Place centre = mode(share, start, s);
    // Columns of the Cholesky factor of the inverse information: z = centre + A x.
    const double determinant = determinant_of(s);
    const double a = std::sqrt(s.other_other / determinant);
    const double b = -s.blast_other / determinant / a;
    const double c = std::sqrt(1 / s.other_other);
    // Nodes of the rule for exp(-|x|^2 / 2): the centre with weight 1/2, and a hexagon of radius 2
    // with weights 1/12, where exp(+|x|^2 / 2) is exp(2).
    const double at_centre = s.log_joint;
    constexpr double half = 0.5;
    const double height = std::sqrt(3.0) / 2;
    const double x[6] = {1, half, -half, -1, -half, half};
    const double y[6] = {0, height, height, 0, -height, -height};
    double sum = half;
    for (int i = 0; i < 6; ++i) {
        const Place node{centre.blast + 2 * a * x[i], centre.other + 2 * (b * x[i] + c * y[i])};
        // Bounded, should the search have ended far from the mode.
        sum += std::exp(std::min(2 + log_joint(share, node) - at_centre, 50.0)) / 12;
    }
    return {at_centre + std::log(sum) - 0.5 * std::log(determinant) + log_two_pi, centre};
}

ShareDensity ShiftLikelihood::approximate(double share, Place start) const {
    Steepness s{};
    const Place centre = mode(share, start, s);
    return {s.log_joint - 0.5 * std::log(determinant_of(s)) + log_two_pi, centre};
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
