#include "bloodcell/reviewed_share.hpp"

#include <cmath>
#include <vector>

namespace bloodcell {
namespace {

// The share's distribution given one curve, and the curve's chance.
struct Normal {
    double weight, mean, deviation;
};

class SharePosterior {
public:
    SharePosterior(const Recalibration& patient, const double* unseen, double blasts,
                   double others) {
        double total = blasts + others;
        for (std::size_t k = 0; k < blast_bins; ++k) total += unseen[k];
        least_ = blasts / total;
        most_ = 1 - others / total;
        for (const auto& curve : patient.curves()) {
            double mean = blasts;
            double variance = 0;
            for (std::size_t k = 0; k < blast_bins; ++k) {
                if (!(unseen[k] > 0)) continue;
                const double p = patient.chance(curve.node, k);
                const double c = patient.concentration(k);
                mean += unseen[k] * p;
                variance += unseen[k] * p * (1 - p) * (c + unseen[k]) / (c + 1);
            }
            normals_.push_back({curve.weight, mean / total, std::sqrt(variance) / total});
        }
    }

    double mass_below(double share) const {
        if (share >= most_) return 1;
        if (share < least_) return 0;
        double mass = 0;
        for (const Normal& one : normals_) {
            const double z = (share - one.mean) / (one.deviation + 1e-12);
            mass += one.weight * 0.5 * std::erfc(-z * std::sqrt(0.5));
        }
        return mass;
    }

    double quantile(double mass) const {
        double low = least_;
        double high = most_;
        if (mass_below(low) >= mass) return low;
        while (high - low > 1e-7) {
            const double middle = 0.5 * (low + high);
            (mass_below(middle) < mass ? low : high) = middle;
        }
        return 0.5 * (low + high);
    }

private:
    std::vector<Normal> normals_;
    double least_;
    double most_;
};

}  // namespace

ReviewedShare reviewed_share(const Recalibration& patient, const double* unseen, double blasts,
                             double others) {
    const SharePosterior posterior(patient, unseen, blasts, others);
    const double five = posterior.mass_below(0.05);
    const double ten = posterior.mass_below(0.10);
    const double twenty = posterior.mass_below(0.20);
    return {posterior.quantile(0.5),
            posterior.quantile(0.025),
            posterior.quantile(0.975),
            {five, ten - five, twenty - ten, 1 - twenty},
            patient.surprise()};
}

}  // namespace bloodcell
