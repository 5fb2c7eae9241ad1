#include "bloodcell/reviewed_share.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace bloodcell {
namespace {

// So many deviations from the mean a normal distribution has less than 1e-9 of its mass left.
constexpr double far = 6;

// The standard normal distribution by cubics between 1 / 32 (error below 1e-8): a share's
// quantiles ask for it some hundred thousand times.
class StandardNormal {
public:
    StandardNormal() {
        for (int i = 0; i <= nodes; ++i) {
            const double z = i / per_unit - far;
            below_[i] = 0.5 * std::erfc(-z * std::sqrt(0.5));
            slope_[i] = std::exp(-0.5 * z * z) / std::sqrt(2 * M_PI) / per_unit;
        }
    }

    double below(double z) const {
        if (z <= -far) return 0;
        if (z >= far) return 1;
        const double at = (z + far) * per_unit;
        const auto i = static_cast<std::size_t>(at);
        const double t = at - static_cast<double>(i);
        const double rise = below_[i + 1] - below_[i];
        const double from = slope_[i] - rise;
        const double to = rise - slope_[i + 1];
        return below_[i] + t * rise + t * (1 - t) * (from * (1 - t) + to * t);
    }

private:
    static constexpr double per_unit = 32;
    static constexpr int nodes = 2 * static_cast<int>(far * per_unit);
    std::array<double, nodes + 2> below_{};
    std::array<double, nodes + 2> slope_{};
};

// The share's distribution given one curve, and the curve's chance.
struct Normal {
    double weight, mean, per_deviation;
};

class SharePosterior {
public:
    // Of the leukocytes that were scored.
    SharePosterior(const Recalibration& patient, const UnseenBins& bins, double blasts,
                   double others) {
        const auto& unseen = bins.leukocytes;
        total_ = std::accumulate(unseen.begin(), unseen.end(), blasts + others);
        std::vector<std::size_t> used;
        std::array<double, blast_bins> spread{};
        for (std::size_t k = 0; k < blast_bins; ++k) {
            if (!(unseen[k] > 0)) continue;
            const double c = patient.concentration(k);
            spread[k] = unseen[k] * (c + unseen[k]) / (c + 1);
            used.push_back(k);
        }
        least_ = blasts / (blasts + others + bins.most);
        most_ = 1 - others / (blasts + others + bins.most);
        for (const auto& curve : patient.curves()) {
            double mean = blasts;
            double variance = 0;
            std::array<double, strata> hits{};
            std::array<double, strata> leukocytes{};
            for (const std::size_t k : used) {
                const double p = patient.chance(curve.node, k);
                mean += unseen[k] * p;
                variance += spread[k] * p * (1 - p);
                hits[stratum_of(k)] += unseen[k] * p;
                leukocytes[stratum_of(k)] += unseen[k];
            }
            // A stratum that has more leukocytes draws the share towards its own.
            for (std::size_t h = 0; h < strata; ++h) {
                const double pull = hits[h] - mean / total_ * leukocytes[h];
                variance += bins.relative_variance[h] * pull * pull;
            }
            const double deviation = std::sqrt(variance) / total_ + 1e-12;
            normals_.push_back({curve.weight, mean / total_, 1 / deviation});
        }
    }

    // Of the blood that they are a sample of: given a curve, the posterior of a share of which
    // all of these were counted, all shares being alike likely before (Laplace's rule of
    // succession).
    SharePosterior of_blood() const {
        SharePosterior all = *this;
        all.least_ = 0;
        all.most_ = 1;
        for (Normal& one : all.normals_) {
            const double known = 1 / (one.per_deviation * one.per_deviation);
            one.mean = (total_ * one.mean + 1) / (total_ + 2);
            const double counting = one.mean * (1 - one.mean) / (total_ + 3);
            one.per_deviation = 1 / std::sqrt(known + counting);
        }
        return all;
    }

    double mass_below(double share) const {
        if (share >= most_) return 1;
        if (share < least_) return 0;
        return normal_mass_below(share);
    }

    // What is cut off at an end has its mass there. Else by false position; an end that stays loses
    // half of its weight (Dowell & Jarratt 1971, BIT 11:168, the Illinois method).
    double quantile(double mass) const {
        double low = least_;
        double high = most_;
        double at_low = normal_mass_below(low) - mass;
        double at_high = normal_mass_below(high) - mass;
        if (at_low >= 0) return low;
        if (at_high <= 0) return high;
        bool low_moved = false;
        bool high_moved = false;
        while (high - low > 1e-7) {
            const double share = high - at_high * (high - low) / (at_high - at_low);
            const double there = normal_mass_below(share) - mass;
            if (std::abs(there) < 1e-9) return share;
            const bool is_below = there < 0;
            (is_below ? low : high) = share;
            (is_below ? at_low : at_high) = there;
            if (is_below && low_moved) at_high *= 0.5;
            if (!is_below && high_moved) at_low *= 0.5;
            low_moved = is_below;
            high_moved = !is_below;
        }
        return 0.5 * (low + high);
    }

private:
    double normal_mass_below(double share) const {
        static const StandardNormal normal;
        double mass = 0;
        for (const Normal& one : normals_) {
            mass += one.weight * normal.below((share - one.mean) * one.per_deviation);
        }
        return mass;
    }

    std::vector<Normal> normals_;
    double total_;
    double least_;
    double most_;
};

// Of the cells, or of the blood: the interval. Bands are always of the blood.
ReviewedShare summary(const SharePosterior& scored, const SharePosterior& interval,
                      double surprise) {
    const SharePosterior blood = scored.of_blood();
    const double five = blood.mass_below(0.05);
    const double ten = blood.mass_below(0.10);
    const double twenty = blood.mass_below(0.20);
    return {scored.quantile(0.5),
            interval.quantile(0.025),
            interval.quantile(0.975),
            {five, ten - five, twenty - ten, 1 - twenty},
            surprise};
}

}  // namespace

ReviewedShare reviewed_share(const Recalibration& patient, const UnseenBins& unseen, double blasts,
                             double others) {
    const SharePosterior scored(patient, unseen, blasts, others);
    return summary(scored, scored, patient.surprise());
}

ReviewedShare estimated_share(const RecalibrationPrior& prior, const std::int64_t* histogram) {
    UnseenBins all;
    std::copy_n(histogram, blast_bins, all.leukocytes.begin());
    all.most = std::accumulate(all.leukocytes.begin(), all.leukocytes.end(), 0.0);
    const Recalibration patient(prior, histogram);
    const SharePosterior scored(patient, all, 0, 0);
    return summary(scored, scored.of_blood(), patient.surprise());
}

}  // namespace bloodcell
