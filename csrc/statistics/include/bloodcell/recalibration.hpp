// How a patient's cells of some log-odds are blasts: the curve is the patient's own, and learnt.
//
// A cell in bin b of blast_bins.hpp, whose middle is x_b, is a blast with chance p_b,
//     p_b ~ Beta(s_b mu_b, s_b (1 - mu_b)),    mu_b = 1 / (1 + exp(-(a + exp(c) x_b))),
//     s_b = max(1/2, worth N_b / N - 1),
// N_b of the patient's N cells being in bin b: what the curve leaves unexplained makes a patient's
// cells worth `worth` independent ones, of which each bin has its part. (a, c) is bivariate t
// around a centre that depends on the patient's histogram. Each cell looked at updates all.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "bloodcell/blast_bins.hpp"

namespace bloodcell {

// The curves considered: intercepts a of -9 to 9 by 0.25, and for each, logarithms c of slopes of
// -3 to 1.2 by 0.1.
inline constexpr std::size_t intercept_nodes = 73;
inline constexpr std::size_t log_slope_nodes = 43;
inline constexpr std::size_t curve_nodes = intercept_nodes * log_slope_nodes;

struct Curve {
    double intercept;
    double log_slope;

    double chance(std::size_t bin) const;  // mu of the bin
};

Curve curve_at(std::size_t node);

// Degrees of freedom of the t distribution of (a, c).
inline constexpr double curve_freedom = 6;

// What the centre depends on, of a patient's mean blast probability m: 1, the log-odds of m (kept
// finite) and the mean of p (1 - p), how unsure the network is.
inline constexpr std::size_t curve_features = 3;
std::array<double, curve_features> features_of(const std::int64_t* histogram);

struct RecalibrationPrior {
    std::array<double, curve_features> intercept;  // coefficients of its centre
    std::array<double, curve_features> log_slope;
    double intercept_scale;
    double log_slope_scale;
    double correlation;
    double worth_cells;

    // Throws std::invalid_argument for a number that is out of its range: up to 1e9, scales and
    // worth 1e-9 or more, the correlation between -1 and 1.
    void check() const;
};

class Recalibration {
public:
    // histogram: blast_bins counts of 0 or more of the patient's leukocytes, not all 0.
    Recalibration(const RecalibrationPrior& prior, const std::int64_t* histogram);

    // A cell of this bin was looked at.
    void see(std::size_t bin, bool is_blast);

    // Curves that matter and their posterior chances.
    struct Weighted {
        std::size_t node;
        double weight;
    };
    std::vector<Weighted> curves() const;

    // Given the curve: chance that a further cell of the bin is a blast, and how many cells that
    // chance counts for: it is the mean of Beta(chance c, (1 - chance) c), c the concentration.
    double chance(std::size_t node, std::size_t bin) const;
    double concentration(std::size_t bin) const { return prior_cells_[bin] + seen_[bin]; }

    // How the answers, each foretold from those before it, came out against what was foretold: the
    // sum of log chances less its expectation, in standard deviations (Seillier-Moiseiwitsch &
    // Dawid 1993, J. Am. Statist. Assoc. 88:355). Far below 0: they contradict the model.
    double surprise() const;

private:
    double chance_of_blast(std::size_t bin) const;

    std::vector<double> log_weights_;  // curve_nodes
    std::array<double, blast_bins> prior_cells_{};
    std::array<double, blast_bins> seen_{};
    std::array<double, blast_bins> blasts_{};
    // The chance of a blast is slope mu + offset.
    std::array<double, blast_bins> slope_{};
    std::array<double, blast_bins> offset_{};
    double log_score_ = 0;
    double log_score_variance_ = 0;
};

}  // namespace bloodcell
