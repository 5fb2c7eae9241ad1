// Reviews: what answers make of a share, and where the next cells come from, on small histograms.
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "bloodcell/review_plan.hpp"
#include "bloodcell/reviewed_share.hpp"
#include "bloodcell/sample_share.hpp"
#include "check.hpp"

using namespace bloodcell;
using Histogram = std::vector<std::int64_t>;

namespace {

RecalibrationPrior prior() { return {{-0.5, 0, 0}, {0.3, 0, 0}, 1.5, 0.3, 0.1, 100}; }

// A few blasts by the network, many others, and as many it is not sure of.
Histogram histogram() {
    Histogram counts(blast_bins, 0);
    counts[8] = 600;
    counts[31] = 100;
    counts[33] = 100;
    counts[52] = 200;
    return counts;
}

// Cells not looked at; `seen`: of each stratum those that were, all of them leukocytes.
UnseenBins unseen(const Histogram& counts, const std::vector<std::int64_t>& seen) {
    std::vector<Stratum> drawn;
    for (std::size_t h = 0; h < strata; ++h) {
        const auto first = counts.begin() + static_cast<std::ptrdiff_t>(stratum_edges[h]);
        const auto last = counts.begin() + static_cast<std::ptrdiff_t>(stratum_edges[h + 1]);
        drawn.push_back({std::accumulate(first, last, seen[h]), seen[h], 0, seen[h]});
    }
    return unseen_bins(counts.data(), drawn);
}

const std::vector<std::int64_t> nothing(strata, 0);

double width(const ReviewedShare& share) { return share.high - share.low; }

void test_answers_narrow_the_interval() {
    const Histogram counts = histogram();
    Recalibration patient(prior(), counts.data());
    const auto before = reviewed_share(patient, unseen(counts, nothing), 0, 0);
    Histogram left = counts;
    for (int i = 0; i < 10; ++i) {
        patient.see(31, false);
        patient.see(33, true);
    }
    left[31] -= 10;
    left[33] -= 10;
    const auto after = reviewed_share(patient, unseen(left, {0, 0, 0, 10, 10, 0, 0, 0}), 10, 10);
    CHECK(width(after) < 0.5 * width(before));
    CHECK(after.low <= after.share && after.share <= after.high);
    double sum = 0;
    for (const double band : after.bands) sum += band;
    CHECK(std::abs(sum - 1) < 1e-12);
}

void test_an_estimate_is_the_share_before_an_answer() {
    const Histogram counts = histogram();
    const Recalibration patient(prior(), counts.data());
    UnseenBins all = unseen(counts, nothing);
    all.relative_variance = {};  // an estimate takes all cells for what they are called
    const auto before = reviewed_share(patient, all, 0, 0);
    const auto estimate = estimated_share(prior(), counts.data());
    CHECK(std::abs(estimate.share - before.share) < 0.002 && estimate.surprise == 0);
    CHECK(estimate.low < before.low && estimate.high > before.high);
}

void test_all_cells_seen_leave_no_doubt() {
    const Histogram counts = histogram();
    const Recalibration patient(prior(), counts.data());
    const auto share = reviewed_share(patient, {}, 250, 750);
    CHECK(share.share == 0.25 && share.low == 0.25 && share.high == 0.25);
    CHECK(share.bands[3] > 0.999 && share.bands[3] < 1);  // of the blood, 1000 cells were counted
}

void test_a_cell_that_is_no_leukocyte_takes_few_others_with_it() {
    const std::vector<Count> before = unseen_leukocytes({{50, 0, 0, 0}, {50, 10, 0, 10}});
    const std::vector<Count> after = unseen_leukocytes({{50, 1, 0, 0}, {50, 10, 0, 10}});
    CHECK(before[0].mean > 0.96 * 50);
    CHECK(after[0].mean > 0.8 * 49 && after[0].mean < 0.9 * 49);
    CHECK(after[0].variance > 2 * before[0].variance);
    CHECK(unseen_leukocytes({{5, 5, 0, 0}})[0].mean == 0);
}

void test_contradicting_answers_are_a_surprise() {
    const Histogram counts = histogram();
    Recalibration right(prior(), counts.data());
    Recalibration wrong(prior(), counts.data());
    for (int i = 0; i < 5; ++i) {
        right.see(52, true);
        right.see(8, false);
        wrong.see(52, false);
        wrong.see(8, true);
    }
    CHECK(right.surprise() > 0);
    CHECK(wrong.surprise() < -3);
}

void test_the_next_cells_are_where_answers_tell_most() {
    const Histogram counts = histogram();
    const Recalibration patient(prior(), counts.data());
    std::array<std::vector<std::size_t>, strata> waiting;
    waiting[0].assign(20, 8);
    waiting[3].assign(20, 31);
    waiting[4].assign(20, 33);
    waiting[7].assign(20, 52);
    const Drawn drawn{{600, 0, 0, 100, 100, 0, 0, 200}, {}};
    const auto chosen =
        next_strata(patient, unseen(counts, nothing).leukocytes.data(), {}, waiting, drawn, 20);
    std::array<int, strata> from{};
    for (const std::size_t h : chosen) ++from[h];
    CHECK(chosen.size() == 20 && chosen[0] == 0);  // the largest stratum first
    CHECK(from[0] >= 4 && from[7] >= 1);           // two fifths of their parts at least
    CHECK(from[3] + from[4] > 6);                  // a fifth of the cells, but the unsure ones
    CHECK(from[1] + from[2] + from[5] + from[6] == 0);
    waiting = {};
    waiting[3].assign(3, 31);
    CHECK(next_strata(patient, unseen(counts, nothing).leukocytes.data(), {}, waiting, drawn, 20)
              .size() == 3);
}

// Ten of ten answered: half are blasts, and nothing is left to doubt but what nobody looked at.
void test_a_sample_alone() {
    const SampleShare seen = sample_share({{10, 10, 5, 5}}, 0, 0);
    CHECK(seen.share == 0.5 && seen.low == 0.5 && seen.high == 0.5);
    CHECK(seen.bands[3] > 0.95 && seen.bands[3] < 1);  // of the blood, ten cells were counted
    const SampleShare unknown = sample_share({{10, 10, 5, 5}, {10, 0, 0, 0}}, 0, 0);
    CHECK(unknown.share == 0.5 && std::abs(unknown.low - 0.25) < 0.01);
    CHECK(std::abs(unknown.high - 0.75) < 0.01);
    const SampleShare known = sample_share({{10, 10, 0, 10}}, 10, 10);
    CHECK(known.share == 0.5);
    CHECK(std::isnan(sample_share({{10, 10, 0, 0}}, 0, 0).share));  // none is a leukocyte
}

void test_refusals() {
    CHECK(refusal([] { prior().check(); }).empty());
    RecalibrationPrior bad = prior();
    bad.correlation = 1;
    CHECK(refusal([&] { bad.check(); }).find("correlation") == 0);
    bad = prior();
    bad.worth_cells = 0;
    CHECK(refusal([&] { bad.check(); }).find("worth_cells") == 0);
    bad = prior();
    bad.intercept[1] = std::nan("");
    CHECK(refusal([&] { bad.check(); }).find("intercept") == 0);
    // Finite, but of no finite share.
    bad.intercept[1] = 1e200;
    CHECK(refusal([&] { bad.check(); }).find("intercept") == 0);
    bad = prior();
    bad.log_slope_scale = 1e-200;
    CHECK(refusal([&] { bad.check(); }).find("intercept_scale and log_slope_scale") == 0);
    RecalibrationPrior widest = {{1e9, 1e9, -1e9}, {-1e9, 1e9, 1e9}, 1e-9, 1e-9, 0.999999, 1e9};
    widest.check();
    const ReviewedShare share = estimated_share(widest, histogram().data());
    CHECK(share.low >= 0 && share.low <= share.share && share.share <= share.high &&
          share.high <= 1);
}

}  // namespace

int main() {
    test_answers_narrow_the_interval();
    test_an_estimate_is_the_share_before_an_answer();
    test_all_cells_seen_leave_no_doubt();
    test_a_cell_that_is_no_leukocyte_takes_few_others_with_it();
    test_contradicting_answers_are_a_surprise();
    test_the_next_cells_are_where_answers_tell_most();
    test_a_sample_alone();
    test_refusals();
    return check_result();
}
