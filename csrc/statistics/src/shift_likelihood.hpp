// One patient's tempered likelihood of share and shifts; used by share_posterior.cpp only.
#pragma once

#include <array>
#include <cstdint>

#include "bloodcell/shift_model.hpp"

namespace bloodcell {

using PairValues = std::array<double, pair_bins>;
using GroupValues = std::array<double, share_groups>;

// The two standard normal coordinates of the patient's shifts.
struct Place {
    double blast = 0;
    double other = 0;
};

// Log density at a Place, prior included, its gradient and its Fisher information by the two
// coordinates.
struct Steepness {
    double log_joint;
    double blast, other;                           // gradient
    double blast_blast, blast_other, other_other;  // information
};

// The part of log density(pi) that belongs to one pi.
struct ShareDensity {
    double log_density;
    Place mode;
};

class ShiftLikelihood {
public:
    ShiftLikelihood(const ShiftModel& model, const std::int64_t* histogram);

    double cells() const { return cells_; }
    double weight() const { return weight_; }

    // Integrates the shifts out at this share; the search for their mode starts at `start`.
    ShareDensity integrate(double share, Place start) const;

    // The same by Laplace's approximation: good enough to find where the posterior is.
    ShareDensity approximate(double share, Place start) const;

    // Chances of the pairs of bins.
    PairValues pair_chances(double share, Place place) const;

private:
    double log_joint(double share, Place place) const;
    Steepness steepness(double share, Place place) const;
    Place mode(double share, Place start, Steepness& at_mode) const;
    bool climbs(double share, Place step, Place& place, Steepness& at_place) const;

    const ShiftModel& model_;
    double cells_ = 0;
    double weight_ = 0;
    GroupValues counts_{};  // cells times weight_
};

}  // namespace bloodcell
