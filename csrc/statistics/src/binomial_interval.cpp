#include "bloodcell/binomial_interval.hpp"

#include <cmath>

#include <math.h>  // lgamma_r: std::lgamma writes to a variable that threads share

namespace bloodcell {
namespace {

double log_gamma(double x) {
    int sign = 0;
    return lgamma_r(x, &sign);
}

double away_from_zero(double x) { return std::abs(x) < 1e-300 ? 1e-300 : x; }

// Converges fast for x < (a + 1) / (a + b + 2), in some sqrt(max(a, b)) steps.
double continued_fraction(double a, double b, double x) {
    double c = 1;
    double d = 1 / away_from_zero(1 - (a + b) * x / (a + 1));
    double result = d;
    for (int m = 1; m < 1000000; ++m) {
        const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        d = 1 / away_from_zero(1 + even * d);
        c = away_from_zero(1 + even / c);
        result *= d * c;
        const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 / away_from_zero(1 + odd * d);
        c = away_from_zero(1 + odd / c);
        result *= d * c;
        if (std::abs(d * c - 1) < 1e-15) break;
    }
    return result;
}

double log_beta_density(double a, double b, double x) {
    return log_gamma(a + b) - log_gamma(a) - log_gamma(b) + (a - 1) * std::log(x) +
           (b - 1) * std::log1p(-x);
}

// Where incomplete_beta(a, b, x) is `share`: Newton's steps, halving where they leave the bracket.
double beta_quantile(double a, double b, double share) {
    double low = 0;
    double high = 1;
    double x = a / (a + b);
    for (int round = 0; round < 200; ++round) {
        const double excess = incomplete_beta(a, b, x) - share;
        (excess > 0 ? high : low) = x;
        double next = x - excess / std::exp(log_beta_density(a, b, x));
        if (!(next > low && next < high)) next = 0.5 * (low + high);
        const bool settled = std::abs(next - x) <= 1e-14 * x;
        x = next;
        if (settled) break;
    }
    return x;
}

}  // namespace

double incomplete_beta(double a, double b, double x) {
    if (x <= 0) return 0;
    if (x >= 1) return 1;
    if (x > (a + 1) / (a + b + 2)) return 1 - incomplete_beta(b, a, 1 - x);
    const double front = std::exp(log_beta_density(a, b, x) + std::log(x) + std::log1p(-x));
    return front * continued_fraction(a, b, x) / a;
}

Interval clopper_pearson(std::int64_t k, std::int64_t n) {
    const auto hits = static_cast<double>(k);
    const auto misses = static_cast<double>(n - k);
    return {k == 0 ? 0.0 : beta_quantile(hits, misses + 1, 0.025),
            k == n ? 1.0 : beta_quantile(hits + 1, misses, 0.975)};
}

}  // namespace bloodcell
