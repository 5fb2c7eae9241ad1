// One patient's tempered likelihood of share and shifts; used by mixture_fit.cpp only.
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

// The most likely shifts at one share.
struct BestShifts {
    double log_joint;
    Place place;
};

class ShiftLikelihood {
public:
    ShiftLikelihood(const ShiftModel& model, const std::int64_t* histogram);

    double cells() const { return cells_; }
    double weight() const { return weight_; }

    // The search starts at `start`.
    BestShifts best_shifts(double share, Place start) const;

    // Chances of the pairs of bins.
    PairValues pair_chances(double share, Place place) const;

private:
    Steepness steepness(double share, Place place) const;
    bool climbs(double share, Place step, Place& place, Steepness& at_place) const;

    const ShiftModel& model_;
    double cells_ = 0;
    double weight_ = 0;
    GroupValues counts_{};  // cells times weight_
};

}  // namespace bloodcell
