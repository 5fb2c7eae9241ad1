#include "bloodcell/sample_share.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "bloodcell/binomial_interval.hpp"

namespace bloodcell {

namespace {

// Of the two half normal distributions, under a share.
double mass_below(const SampleShare& sample, double share) {
    const double distance = share - sample.share;
    const double side = distance > 0 ? sample.high - sample.share : sample.share - sample.low;
    if (side == 0) return distance > 0 ? 1.0 : 0.0;
    return 0.5 * std::erfc(-1.96 * distance / side / std::sqrt(2.0));
}

std::array<double, 4> bands_of(const SampleShare& sample) {
    const double five = mass_below(sample, 0.05);
    const double ten = mass_below(sample, 0.10);
    const double twenty = mass_below(sample, 0.20);
    return {five, ten - five, twenty - ten, 1 - twenty};
}

}  // namespace

SampleShare sample_share(const std::vector<Stratum>& drawn, std::int64_t known,
                         std::int64_t known_blasts) {
    auto total = static_cast<double>(known);
    auto blasts = static_cast<double>(known_blasts);
    double unknown = 0, below = 0, above = 0;
    for (const Stratum& stratum : drawn) {
        const std::int64_t counted = stratum.blasts + stratum.others;
        const double unseen =
            static_cast<double>(stratum.cells - stratum.seen) * stratum.leukocyte_share();
        const double leukocytes = static_cast<double>(counted) + unseen;
        total += leukocytes;
        if (counted == 0) {
            blasts += leukocytes * 0.5;
            unknown += unseen / 2;
            continue;
        }
        const double share = static_cast<double>(stratum.blasts) / static_cast<double>(counted);
        const Interval interval = clopper_pearson(stratum.blasts, counted);
        blasts += leukocytes * share;
        below += leukocytes * unseen * std::pow(share - interval.low, 2);
        above += leukocytes * unseen * std::pow(share - interval.high, 2);
    }
    if (!(total > 0)) {
        constexpr double nan = std::numeric_limits<double>::quiet_NaN();
        return {nan, nan, nan, {nan, nan, nan, nan}};
    }
    const double centre = blasts / total;
    SampleShare sample{centre,
                       std::max(centre - std::sqrt(unknown * unknown + below) / total, 0.0),
                       std::min(centre + std::sqrt(unknown * unknown + above) / total, 1.0),
                       {}};
    sample.bands = bands_of(sample);
    return sample;
}

}  // namespace bloodcell
