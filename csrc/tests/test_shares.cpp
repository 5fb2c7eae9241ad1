// The exact interval, and how histograms fit a mixture, on small ones.
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "bloodcell/binomial_interval.hpp"
#include "bloodcell/mixture_fit.hpp"
#include "check.hpp"

using namespace bloodcell;
using Histogram = std::vector<std::int64_t>;

namespace {

bool near(double a, double b, double tolerance) { return std::abs(a - b) <= tolerance; }

std::vector<double> bell(double centre) {
    std::vector<double> shape;
    for (std::size_t j = 0; j < shape_bins; ++j) {
        const double z = (-13.75 + 0.5 * static_cast<double>(j) - centre) / 2;
        shape.push_back(std::exp(-0.5 * z * z));
    }
    return shape;
}

ShiftModel model() { return {Shape(bell(4)), Shape(bell(-4)), {0.5, 0.5}, {0.5, 0.5}, 500}; }

// `blasts` cells around log-odds 4 and `others` around -4, as many on each of four bins.
Histogram histogram(std::int64_t blasts, std::int64_t others) {
    Histogram counts(blast_bins, 0);
    for (const std::size_t k : {44u, 46u, 49u, 51u}) counts[k] = blasts / 4;
    for (const std::size_t k : {12u, 14u, 17u, 19u}) counts[k] = others / 4;
    return counts;
}

void test_clopper_pearson() {
    CHECK(clopper_pearson(0, 10).low == 0 && clopper_pearson(10, 10).high == 1);
    // All ten misses: 1 - (0.025)^(1/10).
    CHECK(near(clopper_pearson(0, 10).high, 1 - std::pow(0.025, 0.1), 1e-12));
    CHECK(near(clopper_pearson(10, 10).low, std::pow(0.025, 0.1), 1e-12));
    CHECK(near(incomplete_beta(1, 1, 0.3), 0.3, 1e-15));
    CHECK(near(incomplete_beta(2, 3, 0.4), 0.5248, 1e-14));  // sum of C(4, j) .4^j .6^(4-j), j >= 2
    CHECK(incomplete_beta(2, 3, 0) == 0 && incomplete_beta(2, 3, 1) == 1);
}

void test_shape_moves_its_mass() {
    const Shape shape(bell(0));
    double mass[share_groups], slope[share_groups], further[share_groups];
    shape.groups(0, mass, slope);
    shape.groups(1e-6, further, nullptr);
    double sum = 0;
    for (std::size_t g = 0; g < share_groups; ++g) {
        sum += mass[g];
        CHECK(near((further[g] - mass[g]) / 1e-6, slope[g], 1e-6));
        CHECK(near(mass[g], mass[share_groups - 1 - g], 1e-12));
    }
    CHECK(near(sum, 1, 1e-12));
    shape.groups(100, mass, nullptr);  // as far as it goes: all in the last group
    CHECK(mass[share_groups - 1] > 0.99);
}

void test_misfit_and_shift() {
    const MixtureFit usual = fit_mixture(model(), histogram(60, 140).data());
    CHECK(usual.shift < 1);
    for (const auto& one_kind : {histogram(0, 200), histogram(200, 0), histogram(4, 0)}) {
        CHECK(fit_mixture(model(), one_kind.data()).shift < 1);
    }
    Histogram between(blast_bins, 0);  // where neither kind is
    between[32] = 200;
    const MixtureFit odd = fit_mixture(model(), between.data());
    CHECK(odd.misfit > 5 && odd.misfit > usual.misfit + 5);
    Histogram beyond(blast_bins, 0);  // further out than either kind
    beyond[0] = 200;
    CHECK(fit_mixture(model(), beyond.data()).shift > usual.shift + 2);
}

void test_refusals() {
    std::vector<double> shape = bell(0);
    shape[3] = -1;
    CHECK(!refusal([&] { Shape{shape}; }).empty());
    shape[3] = std::numeric_limits<double>::quiet_NaN();
    CHECK(!refusal([&] { Shape{shape}; }).empty());
    CHECK(!refusal([&] { Shape{std::vector<double>(shape_bins, 0)}; }).empty());
    CHECK(!refusal([&] { Shape{std::vector<double>(3, 1)}; }).empty());
    for (const ShiftModel& wrong :
         {ShiftModel{Shape(bell(4)), Shape(bell(-4)), {-1, 0.5}, {1, 0.5}, 500},
          ShiftModel{Shape(bell(4)), Shape(bell(-4)), {1, 0}, {1, 0.5}, 500},
          ShiftModel{Shape(bell(4)), Shape(bell(-4)), {1, 0.5}, {1, 0.5}, 0},
          ShiftModel{Shape(bell(4)), Shape(bell(-4)), {1e200, 0.5}, {1, 0.5}, 500},
          ShiftModel{Shape(bell(4)), Shape(bell(-4)), {1, 0.5}, {1, 0.5}, 1e200}}) {
        CHECK(!refusal([&] { wrong.check(); }).empty());
    }
}

}  // namespace

int main() {
    test_clopper_pearson();
    test_shape_moves_its_mass();
    test_misfit_and_shift();
    test_refusals();
    return check_result();
}
