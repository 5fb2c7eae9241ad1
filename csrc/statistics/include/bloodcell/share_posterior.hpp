// The posterior of a patient's true blast share, integrated over how the network may differ on him.
//
// With pi the share, p_g = pi * blast_g(z1) + (1 - pi) * other_g(z0) the chance of a group of bins,
// n_g its cells, n their sum and w = 1 / (1 + n / worth_cells),
//     density(pi) ~ integral of exp(w * sum n_g log p_g) phi(z1) phi(z0) dz1 dz0
//     pi ~ Beta(1/2, 1/2)
//
// w tempers the likelihood for what no shift explains (power likelihood; Grünwald & van Ommen 2017,
// Bayesian Analysis 12:1069); it is exact to first order for Dirichlet-multinomial counts.
// For each pi of a grid the integral is taken around its own mode, found by Fisher scoring, by the
// seven-point rule of degree five (Stroud 1971, E2r2 5-1); so it is as good at 5,000 cells as
// at 50.
#pragma once

#include <array>
#include <cstdint>

#include "bloodcell/shift_model.hpp"

namespace bloodcell {

struct ShareEstimate {
    double share;  // the posterior's median
    // From the lowest to the highest share whose likelihood, shifts integrated out (Berger, Liseo &
    // Wolpert 1999, Statist. Sci. 14:1), is at least exp(-2) of the highest: two units of support
    // (Edwards 1972, Likelihood). Holds the true share of about 95 % of patients, whatever it is,
    // which a region of 95 % of the posterior does on average over shares only. 0 and 1 can be
    // ends.
    double low;
    double high;
    std::array<double, 4> bands;  // under .05, .05 to under .10, .10 to under .20, .20 and more
    // How badly the histogram fits the best mixture, as a standard normal score: Pearson's
    // chi-square over bins joined to 5 expected cells or more, times w, by Wilson & Hilferty
    // (1931, PNAS 17:684).
    double misfit;
    double shift;  // how far the best mixture is from the usual network: length of (z1, z0)
};

// histogram: blast_bins counts of 0 or more, not all 0. Depends on nothing else.
ShareEstimate estimate_share(const ShiftModel& model, const std::int64_t* histogram);

}  // namespace bloodcell
