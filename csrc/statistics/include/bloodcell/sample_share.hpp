// The share that a stratified sample gives by itself: no network is trusted.
//
// The report's script computes the same; docs/statistics.md states the formulas.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace bloodcell {

// What was drawn from one stratum.
struct Stratum {
    std::int64_t cells;   // leukocytes by the network, without those that are known undrawn
    std::int64_t seen;    // of these, drawn at random and answered
    std::int64_t blasts;  // of those seen
    std::int64_t others;  // of those seen, leukocytes that are no blasts; the rest are none

    // Of the cells not seen: as of those seen, but half a cell never rules them out.
    double leukocyte_share() const {
        return (static_cast<double>(blasts + others) + 0.5) / (static_cast<double>(seen) + 0.5);
    }
};

struct SampleShare {
    double share;  // 0 to 1; all are NaN if no leukocyte is left
    double low;    // the interval of 95 %
    double high;
    // Under .05, .05 to under .10, .10 to under .20, .20 and more: of two half normal distributions
    // that end the interval at .025 and .975.
    std::array<double, 4> bands;
};

// known, known_blasts: leukocytes answered that nobody drew.
//
// Each stratum's share has its exact interval; strata of which no leukocyte was seen are one, all
// blasts or none. Distances from the centre are added in squares (MOVER; Zou & Donner 2008,
// Statist. Med. 27:1693), each times sqrt(unseen / all) for a finite stratum. Expects counts of 0
// or more, blasts + others <= seen <= cells.
SampleShare sample_share(const std::vector<Stratum>& drawn, std::int64_t known,
                         std::int64_t known_blasts);

}  // namespace bloodcell
