// How a network scores the two kinds of leukocytes, and how that differs from patient to patient.
//
// The log-odds of blast of one kind's cells follow a pooled shape, moved as a whole by a shift that
// is the patient's own:
//     shift = scale * sinh(tail * z) / tail,    z standard normal.
// That is Johnson's unbounded family (Johnson 1949, Biometrika 36:149), symmetric: near zero it is
// normal with that scale, further out its tails are heavier, and z is normal exactly, which suits
// quadrature. Between bins a shape is moved by cubic B-splines, so likelihoods are smooth in it.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "bloodcell/blast_bins.hpp"

namespace bloodcell {

// Shapes are given on pairs of the bins of blast_bins.hpp, continued on both sides: -14 to 14 by
// 0.5.
inline constexpr std::size_t pair_bins = blast_bins / 2;
inline constexpr std::size_t shape_margin = 12;
inline constexpr std::size_t shape_bins = pair_bins + 2 * shape_margin;

// Likelihoods take the pairs in six groups: under -4, -4 to -2, -2 to 0, and so on, 4 and more.
// Finer ones covered no better, because patients differ by more than shifts, and cost more.
inline constexpr std::size_t share_groups = 6;
inline constexpr std::array<std::size_t, share_groups + 1> group_edges{0, 8, 12, 16, 20, 24, 32};

// The pooled shape of one kind, which can be moved.
class Shape {
public:
    // Takes shape_bins masses, which are scaled to sum 1. Throws std::invalid_argument unless all
    // are finite and none is negative, and some is positive.
    explicit Shape(const std::vector<double>& masses);

    // Masses of the groups when the shape is moved by `shift` log-odds, 12 at most either way; the
    // outermost groups take all beyond. slope, unless null: derivatives by the shift.
    void groups(double shift, double* mass, double* slope) const;

    // Masses of the pairs, in the same way.
    void pairs(double shift, double* mass) const;

private:
    static constexpr std::size_t padding = 28;
    using Padded = std::array<double, shape_bins + 2 * padding>;

    struct Move;

    double below(const Move& move, std::size_t edge, double* slope) const;

    Padded below_{};  // sum of the masses up to and with this bin
};

// How far one kind's shapes lie apart between patients.
struct Spread {
    double scale;  // log-odds, 0 to 1e9
    double tail;   // above 0; 0.5 gives a kurtosis of about 5

    double shift(double z) const;
    double slope(double z) const;  // derivative of shift by z
};

struct ShiftModel {
    Shape blast;
    Shape other;
    Spread blast_spread;
    Spread other_spread;
    // How many cells of one patient are worth counting: what the shapes and shifts leave
    // unexplained makes n cells worth n / (1 + n / worth) independent ones.
    double worth_cells;

    // Throws std::invalid_argument for a scale, tail or worth out of its range.
    void check() const;
};

}  // namespace bloodcell
