#include "bloodcell/label_shift.hpp"

#include <algorithm>
#include <cmath>

namespace bloodcell {
namespace {

constexpr int most_rounds = 100000;
constexpr double settled = 1e-13;

// What a cell of each bin counts, for the cells seen and for what the two kinds would give.
double corrected(const BinChances& blast, const BinChances& other, const BinChances& seen,
                 const BinChances& value) {
    double of_blasts = 0;
    double of_others = 0;
    double of_seen = 0;
    for (std::size_t k = 0; k < blast_bins; ++k) {
        of_blasts += value[k] * blast[k];
        of_others += value[k] * other[k];
        of_seen += value[k] * seen[k];
    }
    if (!(of_blasts > of_others)) return std::clamp(of_seen, 0.0, 1.0);  // nothing to correct by
    return std::clamp((of_seen - of_others) / (of_blasts - of_others), 0.0, 1.0);
}

double likeliest(const BinChances& blast, const BinChances& other, const BinChances& seen) {
    double share = 0.5;
    for (int round = 0; round < most_rounds; ++round) {
        double next = 0;
        for (std::size_t k = 0; k < blast_bins; ++k) {
            if (seen[k] == 0) continue;
            const double b = share * blast[k];
            next += seen[k] * b / (b + (1 - share) * other[k]);
        }
        const double step = std::abs(next - share);
        share = next;
        if (step < settled) break;
    }
    return share;
}

}  // namespace

LabelShiftShares label_shift_shares(const BinChances& blast, const BinChances& other,
                                    const std::int64_t* histogram) {
    double cells = 0;
    for (std::size_t k = 0; k < blast_bins; ++k) cells += static_cast<double>(histogram[k]);
    BinChances seen, above_zero, probability;
    for (std::size_t k = 0; k < blast_bins; ++k) {
        seen[k] = static_cast<double>(histogram[k]) / cells;
        above_zero[k] = k >= blast_bins / 2 ? 1 : 0;
        probability[k] = blast[k] / (blast[k] + other[k]);
    }
    return {corrected(blast, other, seen, above_zero), corrected(blast, other, seen, probability),
            likeliest(blast, other, seen)};
}

}  // namespace bloodcell
