// How many of the cells that nobody looked at a reader would call leukocytes, as the network does.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "bloodcell/blast_bins.hpp"
#include "bloodcell/strata.hpp"

namespace bloodcell {

// What was drawn from one stratum.
struct Stratum {
    std::int64_t cells;   // leukocytes by the network, without those that are known undrawn
    std::int64_t seen;    // of these, drawn at random and answered
    std::int64_t blasts;  // of those seen
    std::int64_t others;  // of those seen, leukocytes that are no blasts; the rest are none
};

struct Count {
    double mean;
    double variance;
};

// Of each stratum. Of a patient's cells called leukocytes the part f is: beta distributed over
// patients, of a stratum's cells beta distributed about the patient's f, which all strata tell of.
// The report's script computes the same; docs/statistics.md has the formulas and how patients
// differ. Expects counts of 0 or more, blasts + others <= seen <= cells.
std::vector<Count> unseen_leukocytes(const std::vector<Stratum>& drawn);

// The same by bin.
struct UnseenBins {
    std::array<double, blast_bins> leukocytes{};     // expected
    std::array<double, strata> relative_variance{};  // of a stratum's: variance over squared mean
    double most = 0;                                 // all of them
};

// `cells`: blast_bins counts of cells not looked at, in each stratum cells - seen of `drawn`, which
// has `strata` of them.
UnseenBins unseen_bins(const std::int64_t* cells, const std::vector<Stratum>& drawn);

}  // namespace bloodcell
