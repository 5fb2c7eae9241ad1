// From which strata of log-odds the next cells to look at are taken.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "bloodcell/recalibration.hpp"
#include "bloodcell/strata.hpp"

namespace bloodcell {

struct Drawn {
    std::array<std::int64_t, strata> cells;  // that can be or were drawn
    std::array<std::int64_t, strata> drawn;  // answered or not
};

// The strata of the next cells, in their order; fewer than `cells` once none is left.
//
// Each cell is taken where its answer is expected to lessen the variance of the share most: the
// answer y of a cell lessens it by cov(share, y)^2 / var(y), averaged over the stratum's cells.
// What was drawn and not answered, `pending` bins, counts as looked at: means stay, covariances are
// updated as for normal variables. Two rules come first, for the estimate that trusts no network: a
// stratum of a sixteenth of the cells has one drawn, and of any t drawn each has two fifths of its
// part by size, rounded down.
// waiting: of each stratum, the bins of its next cells in the order in which they will be drawn.
std::vector<std::size_t> next_strata(const Recalibration& patient, const double* unseen,
                                     const std::vector<std::size_t>& pending,
                                     const std::array<std::vector<std::size_t>, strata>& waiting,
                                     Drawn drawn, std::size_t cells);

}  // namespace bloodcell
