#include "bloodcell/unseen_leukocytes.hpp"

namespace bloodcell {

namespace {

// Fitted to the default network's 82 held-out patients by benchmarks/called_leukocytes.py: patients
// are distributed as if so many leukocytes and others of each had been seen before, and strata
// about a patient's part as if so many cells of each had been.
constexpr double patient_leukocytes = 11.5;
constexpr double patient_others = 0.8;
constexpr double stratum_cells = 8.4;

}  // namespace

std::vector<Count> unseen_leukocytes(const std::vector<Stratum>& drawn) {
    double leukocytes = patient_leukocytes;
    double seen = patient_leukocytes + patient_others;
    for (const Stratum& stratum : drawn) {
        leukocytes += static_cast<double>(stratum.blasts + stratum.others);
        seen += static_cast<double>(stratum.seen);
    }
    std::vector<Count> counts;
    for (const Stratum& stratum : drawn) {
        const auto unseen = static_cast<double>(stratum.cells - stratum.seen);
        const auto counted = static_cast<double>(stratum.blasts + stratum.others);
        const double all = stratum_cells + static_cast<double>(stratum.seen);
        const double part = (stratum_cells * leukocytes / seen + counted) / all;
        // Of a beta-binomial number.
        counts.push_back({unseen * part, unseen * part * (1 - part) * (all + unseen) / (all + 1)});
    }
    return counts;
}

UnseenBins unseen_bins(const std::int64_t* cells, const std::vector<Stratum>& drawn) {
    UnseenBins bins;
    const std::vector<Count> counts = unseen_leukocytes(drawn);
    for (std::size_t h = 0; h < strata; ++h) {
        const auto unseen = static_cast<double>(drawn[h].cells - drawn[h].seen);
        if (!(unseen > 0)) continue;
        const Count& count = counts[h];
        bins.most += unseen;
        bins.relative_variance[h] = count.variance / (count.mean * count.mean);
        for (std::size_t k = stratum_edges[h]; k < stratum_edges[h + 1]; ++k) {
            bins.leukocytes[k] = static_cast<double>(cells[k]) * count.mean / unseen;
        }
    }
    return bins;
}

}  // namespace bloodcell
