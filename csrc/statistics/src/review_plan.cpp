#include "bloodcell/review_plan.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace bloodcell {
namespace {

constexpr double least_stratum = 1.0 / 16;  // smaller ones may stay without a cell
constexpr double part_by_size = 0.4;

// Means and covariances of the next answer in each bin and of the share's unseen part.
class Answers {
public:
    Answers(const Recalibration& patient, const double* unseen)
        : unseen_(unseen, unseen + blast_bins) {
        const auto curves = patient.curves();
        std::vector<double> sums(curves.size(), 0.0);
        double mean_sum = 0;
        for (std::size_t i = 0; i < curves.size(); ++i) {
            for (std::size_t k = 0; k < blast_bins; ++k) {
                if (!(unseen_[k] > 0)) continue;
                const double p = patient.chance(curves[i].node, k);
                mean_[k] += curves[i].weight * p;
                spread_[k] += curves[i].weight * p * (1 - p);
                sums[i] += unseen_[k] * p;
            }
            mean_sum += curves[i].weight * sums[i];
        }
        for (std::size_t i = 0; i < curves.size(); ++i) {
            add(patient, curves[i], sums[i] - mean_sum);
        }
        for (std::size_t k = 0; k < blast_bins; ++k) {
            // The bin's own deviation from the curve, which no other bin shares.
            const double own = spread_[k] / (patient.concentration(k) + 1);
            for (std::size_t j = 0; j < k; ++j) covariance_[j][k] = covariance_[k][j];
            covariance_[k][k] += own;
            with_share_[k] += unseen_[k] * own;
            noise_[k] = mean_[k] * (1 - mean_[k]) - covariance_[k][k];
        }
    }

    // Expected decrease of the variance by an answer from one of these bins, drawn at random.
    double gain(std::size_t first_bin, std::size_t last_bin) const {
        double sum = 0;
        double cells = 0;
        for (std::size_t k = first_bin; k < last_bin; ++k) {
            if (!(unseen_[k] > 0)) continue;
            sum += unseen_[k] * with_share_[k] * with_share_[k] / variance(k);
            cells += unseen_[k];
        }
        return cells > 0 ? sum / cells : 0;
    }

    // A cell of this bin will be answered.
    void expect(std::size_t bin) {
        const auto column = covariance_[bin];
        const double share = with_share_[bin];
        const double all = variance(bin);
        for (std::size_t k = 0; k < blast_bins; ++k) {
            with_share_[k] -= share * column[k] / all;
            for (std::size_t j = 0; j < blast_bins; ++j) {
                covariance_[k][j] -= column[k] * column[j] / all;
            }
        }
        unseen_[bin] = std::max(unseen_[bin] - 1, 0.0);
    }

private:
    using Bins = std::array<double, blast_bins>;

    void add(const Recalibration& patient, const Recalibration::Weighted& curve, double from_mean) {
        Bins from{};
        for (std::size_t k = 0; k < blast_bins; ++k) {
            if (!(unseen_[k] > 0)) continue;
            from[k] = patient.chance(curve.node, k) - mean_[k];
            const double weighted = curve.weight * from[k];
            with_share_[k] += weighted * from_mean;
            for (std::size_t j = 0; j <= k; ++j) covariance_[k][j] += weighted * from[j];
        }
    }

    double variance(std::size_t bin) const {
        return noise_[bin] + std::max(covariance_[bin][bin], 0.0) + 1e-12;
    }

    std::vector<double> unseen_;
    Bins mean_{};
    Bins spread_{};
    Bins with_share_{};
    Bins noise_{};
    std::array<Bins, blast_bins> covariance_{};
};

// How much a stratum lacks of what the two rules ask for; 0 or less: nothing.
double lacking(const Drawn& drawn, std::size_t stratum, double all, double drawn_of_all) {
    const auto cells = static_cast<double>(drawn.cells[stratum]);
    const double by_size = std::floor(part_by_size * (drawn_of_all + 1) * cells / all);
    const double least = std::max(cells >= least_stratum * all ? 1.0 : 0.0, by_size);
    const auto has = static_cast<double>(drawn.drawn[stratum]);
    return has < least ? cells / (1 + has) : 0;
}

// Whose value is the largest among the strata that have a cell waiting; `strata` if none is above
// 0.
template <typename Value>
std::size_t best(const std::array<bool, strata>& open, Value value) {
    std::size_t chosen = strata;
    double most = 0;
    for (std::size_t h = 0; h < strata; ++h) {
        const double own = open[h] ? value(h) : 0;
        if (own > most) {
            most = own;
            chosen = h;
        }
    }
    return chosen;
}

double sum_of(const std::array<std::int64_t, strata>& counts) {
    return static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}));
}

}  // namespace

std::vector<std::size_t> next_strata(const Recalibration& patient, const double* unseen,
                                     const std::vector<std::size_t>& pending,
                                     const std::array<std::vector<std::size_t>, strata>& waiting,
                                     Drawn drawn, std::size_t cells) {
    Answers answers(patient, unseen);
    for (const std::size_t bin : pending) answers.expect(bin);
    const double all = sum_of(drawn.cells);
    std::array<std::size_t, strata> taken{};
    std::vector<std::size_t> chosen;
    while (chosen.size() < cells) {
        std::array<bool, strata> open{};
        for (std::size_t h = 0; h < strata; ++h) open[h] = taken[h] < waiting[h].size();
        const double so_far = sum_of(drawn.drawn);
        std::size_t h = best(open, [&](std::size_t i) { return lacking(drawn, i, all, so_far); });
        if (h == strata) {
            h = best(open, [&](std::size_t i) {
                return 1e-300 + answers.gain(stratum_edges[i], stratum_edges[i + 1]);
            });
        }
        if (h == strata) break;
        answers.expect(waiting[h][taken[h]++]);
        ++drawn.drawn[h];
        chosen.push_back(h);
    }
    return chosen;
}

}  // namespace bloodcell
