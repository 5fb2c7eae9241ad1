#include "bloodcell/sample_share.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "bloodcell/binomial_interval.hpp"

namespace bloodcell {

namespace {

constexpr double deviations = 1.96;  // an end of 95 % from the middle

// Under a share, of two half normal distributions that end at .025 and .975.
double mass_below(const Interval& interval, double centre, double share) {
    const double distance = share - centre;
    const double side = distance > 0 ? interval.high - centre : centre - interval.low;
    if (side == 0) return distance > 0 ? 1.0 : 0.0;
    return 0.5 * std::erfc(-deviations * distance / side / std::sqrt(2.0));
}

// Of the blood: `leukocytes` of it were counted, the share of which is itself uncertain.
std::array<double, 4> bands_of(const SampleShare& sample, double leukocytes) {
    const std::int64_t trials = std::max<std::int64_t>(std::llround(leukocytes), 1);
    const Interval counted =
        clopper_pearson(std::llround(sample.share * static_cast<double>(trials)), trials);
    const Interval blood{
        sample.share - std::hypot(sample.share - sample.low, sample.share - counted.low),
        sample.share + std::hypot(sample.high - sample.share, counted.high - sample.share)};
    const double five = mass_below(blood, sample.share, 0.05);
    const double ten = mass_below(blood, sample.share, 0.10);
    const double twenty = mass_below(blood, sample.share, 0.20);
    return {five, ten - five, twenty - ten, 1 - twenty};
}

// Of blasts among those seen, one half where none was.
double share_of(const Stratum& stratum) {
    const std::int64_t counted = stratum.blasts + stratum.others;
    return counted == 0 ? 0.5 : static_cast<double>(stratum.blasts) / static_cast<double>(counted);
}

}  // namespace

SampleShare sample_share(const std::vector<Stratum>& drawn, std::int64_t known,
                         std::int64_t known_blasts) {
    auto total = static_cast<double>(known);
    auto blasts = static_cast<double>(known_blasts);
    double unknown = 0, below = 0, above = 0;
    const std::vector<Count> unseen = unseen_leukocytes(drawn);
    for (std::size_t h = 0; h < drawn.size(); ++h) {
        const Stratum& stratum = drawn[h];
        const std::int64_t counted = stratum.blasts + stratum.others;
        const double leukocytes = static_cast<double>(counted) + unseen[h].mean;
        total += leukocytes;
        blasts += leukocytes * share_of(stratum);
        if (counted == 0) {
            unknown += unseen[h].mean / 2;
            continue;
        }
        const Interval interval = clopper_pearson(stratum.blasts, counted);
        below += leukocytes * unseen[h].mean * std::pow(share_of(stratum) - interval.low, 2);
        above += leukocytes * unseen[h].mean * std::pow(share_of(stratum) - interval.high, 2);
    }
    if (!(total > 0)) {
        constexpr double nan = std::numeric_limits<double>::quiet_NaN();
        return {nan, nan, nan, {nan, nan, nan, nan}};
    }
    const double centre = blasts / total;
    double both = 0;
    for (std::size_t h = 0; h < drawn.size(); ++h) {
        const double distance = deviations * (share_of(drawn[h]) - centre);
        both += unseen[h].variance * distance * distance;
    }
    SampleShare sample{centre,
                       std::max(centre - (unknown + std::sqrt(both + below)) / total, 0.0),
                       std::min(centre + (unknown + std::sqrt(both + above)) / total, 1.0),
                       {}};
    sample.bands = bands_of(sample, total);
    return sample;
}

}  // namespace bloodcell
