// The exact interval of a binomial share.
#pragma once

#include <cstdint>

namespace bloodcell {

struct Interval {
    double low;
    double high;
};

// Clopper & Pearson (1934, Biometrika 26:404): quantiles .025 of Beta(k, n - k + 1) and .975 of
// Beta(k + 1, n - k); 0 for k = 0 and 1 for k = n. Expects 0 <= k <= n, n of 1 or more.
Interval clopper_pearson(std::int64_t k, std::int64_t n);

// The regularised incomplete beta function, the beta distribution's share below x. By Lentz's
// continued fraction (Press et al., Numerical Recipes, 3rd ed., 6.4). a, b above 0, x in [0, 1].
double incomplete_beta(double a, double b, double x);

}  // namespace bloodcell
