// The histogram of blast log-odds: 64 bins of 0.25 covering -8 to +8, found without floating point.
//
// A blast probability is the integer q, in units of 2^-16: 0 to 65536. Bin k holds the q with
//     edge(k) <= log(q / (65536 - q)) < edge(k + 1),    edge(k) = -8 + k / 4,
// and the outermost bins take all beyond. Solved for q, edge(k) is reached first by
//     q = ceil(65536 / (1 + exp(-edge(k)))).
// At the 63 inner edges the quotient is either an integer exactly (edge 0: 32768) or more than
// 0.006 from the next integer, so a last-bit difference between two exp() cannot move a threshold.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace bloodcell {

inline constexpr std::uint32_t probability_one = 65536;  // the integer that stands for 1.0
inline constexpr std::size_t blast_bins = 64;

using BlastBinTable = std::array<std::uint8_t, probability_one + 1>;

// Lower edge of bin k in natural log-odds; k = 64 gives the upper edge of the last bin.
constexpr double blast_bin_edge(std::size_t k) { return -8.0 + 0.25 * static_cast<double>(k); }

// Smallest q in bin k; 0 for the first bin, which has no lower end.
std::uint32_t smallest_in_blast_bin(std::size_t k);

// Bin of every q, built at the first use and shared from then on (64 KiB).
const BlastBinTable& blast_bin_table();

}  // namespace bloodcell
