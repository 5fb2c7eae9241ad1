// The share that a stratified sample gives by itself: no network is trusted.
//
// The report's script computes the same; docs/statistics.md states the formulas.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "bloodcell/unseen_leukocytes.hpp"

namespace bloodcell {

struct SampleShare {
    double share;  // 0 to 1; all are NaN if no leukocyte is left
    double low;    // the interval of 95 %
    double high;
    // Under .05, .05 to under .10, .10 to under .20, .20 and more: of the blood that the cells are
    // counted of, by two half normal distributions.
    std::array<double, 4> bands;
};

// known, known_blasts: leukocytes answered that nobody drew.
//
// Each stratum's share has its exact interval. Distances from the centre are added in squares
// (MOVER; Zou & Donner 2008, Statist. Med. 27:1693), each times sqrt(unseen / all) for a finite
// stratum, and with them how uncertain it is that the unseen are leukocytes. Strata of which no
// leukocyte was seen may be all blasts or none: half of them is added as it is. Expects counts of
// 0 or more, blasts + others <= seen <= cells.
SampleShare sample_share(const std::vector<Stratum>& drawn, std::int64_t known,
                         std::int64_t known_blasts);

}  // namespace bloodcell
