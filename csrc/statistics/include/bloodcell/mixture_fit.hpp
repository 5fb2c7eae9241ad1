// How far a patient's cells are from a mixture of blasts and other cells as the network scores
// them.
//
// With pi the share, p_g = pi * blast_g(z1) + (1 - pi) * other_g(z0) the chance of a group of bins,
// n_g its cells, n their sum and w = 1 / (1 + n / worth_cells), the best mixture has the largest
//     w * sum n_g log p_g - (z1^2 + z0^2) / 2.
//
// w tempers the likelihood for what no shift explains (power likelihood; Grünwald & van Ommen 2017,
// Bayesian Analysis 12:1069); it is exact to first order for Dirichlet-multinomial counts.
#pragma once

#include <cstdint>

#include "bloodcell/shift_model.hpp"

namespace bloodcell {

struct MixtureFit {
    // How badly the histogram fits the best mixture, as a standard normal score: Pearson's
    // chi-square over bins joined to 5 expected cells or more, times w, by Wilson & Hilferty
    // (1931, PNAS 17:684).
    double misfit;
    double shift;  // how far the best mixture is from the usual network: length of (z1, z0)
};

// histogram: blast_bins counts of 0 or more, not all 0. Depends on nothing else.
MixtureFit fit_mixture(const ShiftModel& model, const std::int64_t* histogram);

}  // namespace bloodcell
