// The posterior of a patient's blast share, before and after some cells were looked at.
#pragma once

#include <array>

#include "bloodcell/recalibration.hpp"
#include "bloodcell/unseen_leukocytes.hpp"

namespace bloodcell {

// In standard deviations below what was foretold: answers that surprise more contradict the model,
// and the share is that of the sample alone.
inline constexpr double least_surprise = -3.0;

struct ReviewedShare {
    double share;  // the posterior's median
    double low;    // and quantiles .025 and .975
    double high;
    // Under .05, .05 to under .10, .10 to under .20, .20 and more: of the blood that the cells are
    // a sample of.
    std::array<double, 4> bands;
    double surprise;  // see recalibration.hpp
};

// blasts, others: the leukocytes that were looked at. Not all 0.
//
// Given the curve the blasts among the unseen cells of a bin are beta-binomial, independent of
// other bins, and so are the leukocytes among those of a stratum; the share is taken as normal, and
// as cut off where the cells looked at rule out less or more.
ReviewedShare reviewed_share(const Recalibration& patient, const UnseenBins& unseen, double blasts,
                             double others);

// Before any cell was looked at: of the blood that the cells are a sample of, so that few cells
// give a wide interval, while a review's share is that of the cells themselves. histogram:
// blast_bins counts of 0 or more, not all 0. Depends on nothing else.
ReviewedShare estimated_share(const RecalibrationPrior& prior, const std::int64_t* histogram);

}  // namespace bloodcell
