// Blast shares by the textbook estimators of label shift, which take the network to err on every
// patient alike; shown beside the posterior of share_posterior.hpp, and what it is measured against.
#pragma once

#include <array>
#include <cstdint>

#include "bloodcell/blast_bins.hpp"

namespace bloodcell {

struct LabelShiftShares {
    // Adjusted count: the share of cells above log-odds 0, corrected for how often blasts and
    // others are (Rogan & Gladen 1978, Am J Epidemiol 107:71; Forman 2008), cut to [0, 1].
    double adjusted_count;
    // The same with each cell's probability for its count (Bella et al. 2010, ICDM).
    double adjusted_probability;
    // Maximum likelihood under prior shift, by expectation-maximisation (Saerens et al. 2002,
    // Neural Computation 14:21).
    double likeliest;
};

using BinChances = std::array<double, blast_bins>;

// blast, other: each bin's chance for the two kinds, each summing to 1, every bin positive for one
// of them. histogram: blast_bins counts of 0 or more, not all 0.
LabelShiftShares label_shift_shares(const BinChances& blast, const BinChances& other,
                                    const std::int64_t* histogram);

}  // namespace bloodcell
