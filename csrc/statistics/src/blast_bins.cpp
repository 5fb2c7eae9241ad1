#include "bloodcell/blast_bins.hpp"

#include <cmath>

namespace bloodcell {

std::uint32_t smallest_in_blast_bin(std::size_t k) {
    if (k == 0) {
        return 0;
    }
    const double odds_share = 1.0 / (1.0 + std::exp(-blast_bin_edge(k)));
    return static_cast<std::uint32_t>(std::ceil(probability_one * odds_share));
}

const BlastBinTable& blast_bin_table() {
    static const BlastBinTable table = [] {
        BlastBinTable bins{};
        for (std::size_t k = 1; k < blast_bins; ++k) {
            for (std::size_t q = smallest_in_blast_bin(k); q < bins.size(); ++q) {
                bins[q] = static_cast<std::uint8_t>(k);
            }
        }
        return bins;
    }();
    return table;
}

}  // namespace bloodcell
