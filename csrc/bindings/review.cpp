// Blast shares, what a person's answers make of them, and which cells to look at next, in Python.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "arrays.hpp"
#include "bindings.hpp"
#include "bloodcell/review_plan.hpp"
#include "bloodcell/reviewed_share.hpp"
#include "bloodcell/sample_share.hpp"
#include "histograms.hpp"

namespace py = pybind11;

namespace {

using bloodcell::blast_bins;
using bloodcell::Recalibration;
using bloodcell::RecalibrationPrior;
using bloodcell::ReviewedShare;
using bloodcell::SampleShare;
using bloodcell::strata;

constexpr auto bins = static_cast<py::ssize_t>(blast_bins);
constexpr auto curve_count = static_cast<py::ssize_t>(bloodcell::curve_nodes);

std::array<double, bloodcell::curve_features> coefficients(const char* name,
                                                           const py::object& array) {
    std::array<double, bloodcell::curve_features> result{};
    std::copy_n(view<double>(name, array, {result.size()}), result.size(), result.begin());
    return result;
}

RecalibrationPrior recalibration_prior(const py::object& intercept, const py::object& log_slope,
                                       double intercept_scale, double log_slope_scale,
                                       double correlation, double worth_cells) {
    const RecalibrationPrior prior{coefficients("intercept", intercept),
                                   coefficients("log_slope", log_slope),
                                   intercept_scale,
                                   log_slope_scale,
                                   correlation,
                                   worth_cells};
    prior.check();
    return prior;
}

// Each of `array`, uint8 (any length), a bin.
std::vector<std::size_t> bins_of(const char* name, const py::object& array) {
    const auto* first = view<std::uint8_t>(name, array, {-1});
    const std::vector<std::size_t> result(first, first + length_of(array));
    for (const std::size_t bin : result) {
        if (bin < blast_bins) continue;
        throw py::value_error(std::string(name) + ": expected bins of 0 to 63, found " +
                              std::to_string(bin));
    }
    return result;
}

const std::int64_t* checked_counts(const py::object& histogram) {
    const auto* counts = view<std::int64_t>("histogram", histogram, {bins});
    if (std::any_of(counts, counts + bins, [](std::int64_t n) { return n < 0; }) ||
        std::all_of(counts, counts + bins, [](std::int64_t n) { return n == 0; })) {
        throw py::value_error("histogram: expected counts of 0 or more, not all 0");
    }
    return counts;
}

// Cells not looked at by bin, int64 (64,); of each stratum those drawn and answered, int64 (8,),
// and the leukocytes of these.
bloodcell::UnseenBins unseen_bins(const py::object& unseen, const py::object& seen,
                                  const py::object& leukocytes) {
    const auto* cells = view<std::int64_t>("unseen", unseen, {bins});
    const auto* all = view<std::int64_t>("seen", seen, {strata});
    const auto* counted = view<std::int64_t>("leukocytes", leukocytes, {strata});
    if (std::any_of(cells, cells + bins, [](std::int64_t n) { return n < 0; })) {
        throw py::value_error("unseen: expected counts of 0 or more");
    }
    std::vector<bloodcell::Stratum> drawn;
    for (std::size_t h = 0; h < strata; ++h) {
        if (counted[h] < 0 || counted[h] > all[h]) {
            throw py::value_error("leukocytes: expected 0 to those seen in stratum " +
                                  std::to_string(h));
        }
        const std::int64_t left =
            std::accumulate(cells + bloodcell::stratum_edges[h],
                            cells + bloodcell::stratum_edges[h + 1], std::int64_t{0});
        drawn.push_back({all[h] + left, all[h], 0, counted[h]});
    }
    return bloodcell::unseen_bins(cells, drawn);
}

Recalibration after_answers(const RecalibrationPrior& prior, const py::object& histogram,
                            const py::object& seen_bin, const py::object& seen_blast) {
    Recalibration patient(prior, checked_counts(histogram));
    const auto seen = bins_of("seen_bin", seen_bin);
    const auto* blast =
        view<bool>("seen_blast", seen_blast, {static_cast<py::ssize_t>(seen.size())});
    for (std::size_t i = 0; i < seen.size(); ++i) patient.see(seen[i], blast[i]);
    return patient;
}

py::object reviewed_share(const RecalibrationPrior& prior, const py::object& histogram,
                          const py::object& unseen, const py::object& seen,
                          const py::object& leukocytes, const py::object& seen_bin,
                          const py::object& seen_blast, double blasts, double others) {
    const auto left = unseen_bins(unseen, seen, leukocytes);
    if (!(blasts >= 0 && others >= 0) || !(blasts + others + left.most > 0)) {
        throw py::value_error("blasts and others: expected 0 or more, and a leukocyte in all");
    }
    const auto patient = after_answers(prior, histogram, seen_bin, seen_blast);
    py::array_t<ReviewedShare> result(1);
    *result.mutable_data() = bloodcell::reviewed_share(patient, left, blasts, others);
    return result[py::int_(0)];
}

py::array_t<ReviewedShare> estimate_shares(const RecalibrationPrior& prior,
                                           const py::object& histogram, int threads) {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    const auto of = [&prior](const std::int64_t* own) {
        return bloodcell::estimated_share(prior, own);
    };
    return by_patient(histogram, threads, ReviewedShare{nan, nan, nan, {nan, nan, nan, nan}, nan},
                      of);
}

py::array_t<std::uint8_t> next_strata(const RecalibrationPrior& prior, const py::object& histogram,
                                      const py::object& unseen, const py::object& seen,
                                      const py::object& leukocytes, const py::object& seen_bin,
                                      const py::object& seen_blast, const py::object& pending_bin,
                                      const py::list& waiting, const py::object& drawable,
                                      const py::object& drawn, std::size_t cells) {
    if (waiting.size() != strata)
        throw py::value_error("waiting: expected 8 arrays, one a stratum");
    std::array<std::vector<std::size_t>, strata> in_order;
    bloodcell::Drawn counts{};
    const auto* all = view<std::int64_t>("drawable", drawable, {strata});
    const auto* before = view<std::int64_t>("drawn", drawn, {strata});
    for (std::size_t h = 0; h < strata; ++h) {
        in_order[h] = bins_of("waiting", waiting[h]);
        counts.cells[h] = all[h];
        counts.drawn[h] = before[h];
    }
    const auto chosen =
        bloodcell::next_strata(after_answers(prior, histogram, seen_bin, seen_blast),
                               unseen_bins(unseen, seen, leukocytes).leukocytes.data(),
                               bins_of("pending_bin", pending_bin), in_order, counts, cells);
    py::array_t<std::uint8_t> result(static_cast<py::ssize_t>(chosen.size()));
    std::copy(chosen.begin(), chosen.end(), result.mutable_data());
    return result;
}

py::object sample_share(const py::object& cells, const py::object& seen, const py::object& blasts,
                        const py::object& others, std::int64_t known, std::int64_t known_blasts) {
    const auto* cell_counts = view<std::int64_t>("cells", cells, {-1});
    const py::ssize_t count = length_of(cells);
    const auto* seen_counts = view<std::int64_t>("seen", seen, {count});
    const auto* blast_counts = view<std::int64_t>("blasts", blasts, {count});
    const auto* other_counts = view<std::int64_t>("others", others, {count});
    if (known_blasts < 0 || known < known_blasts) {
        throw py::value_error("known_blasts: expected 0 to known, " + std::to_string(known) +
                              ", found " + std::to_string(known_blasts));
    }
    std::vector<bloodcell::Stratum> drawn;
    for (py::ssize_t h = 0; h < count; ++h) {
        drawn.push_back({cell_counts[h], seen_counts[h], blast_counts[h], other_counts[h]});
        // Blasts first: of what is left, 0 or more, nothing overflows.
        if (blast_counts[h] >= 0 && other_counts[h] >= 0 && seen_counts[h] <= cell_counts[h] &&
            blast_counts[h] <= seen_counts[h] &&
            other_counts[h] <= seen_counts[h] - blast_counts[h]) {
            continue;
        }
        throw py::value_error("expected blasts + others <= seen <= cells in stratum " +
                              std::to_string(h));
    }
    py::array_t<SampleShare> result(1);
    *result.mutable_data() = bloodcell::sample_share(drawn, known, known_blasts);
    return result[py::int_(0)];
}

py::array_t<double> curves() {
    py::array_t<double> result({curve_count, py::ssize_t{2}});
    auto places = result.mutable_unchecked<2>();
    for (py::ssize_t i = 0; i < curve_count; ++i) {
        const auto curve = bloodcell::curve_at(static_cast<std::size_t>(i));
        places(i, 0) = curve.intercept;
        places(i, 1) = curve.log_slope;
    }
    return result;
}

py::array_t<double> curve_chances() {
    py::array_t<double> result({curve_count, bins});
    auto chances = result.mutable_unchecked<2>();
    for (py::ssize_t i = 0; i < curve_count; ++i) {
        const auto curve = bloodcell::curve_at(static_cast<std::size_t>(i));
        for (py::ssize_t k = 0; k < bins; ++k) {
            chances(i, k) = curve.chance(static_cast<std::size_t>(k));
        }
    }
    return result;
}

py::array_t<double> curve_features(const py::object& histogram) {
    const auto features = bloodcell::features_of(checked_counts(histogram));
    return py::array_t<double>(static_cast<py::ssize_t>(features.size()), features.data());
}

py::array_t<double> inner_edges() {
    py::array_t<double> result(strata - 1);
    for (std::size_t h = 1; h < strata; ++h) {
        result.mutable_at(h - 1) = bloodcell::blast_bin_edge(bloodcell::stratum_edges[h]);
    }
    return result;
}

}  // namespace

void register_review(py::module_& module) {
    PYBIND11_NUMPY_DTYPE(ReviewedShare, share, low, high, bands, surprise);
    PYBIND11_NUMPY_DTYPE(SampleShare, share, low, high, bands);
    module.attr("LEAST_SURPRISE") = bloodcell::least_surprise;
    module.def("sample_share", &sample_share, py::kw_only(), py::arg("cells"), py::arg("seen"),
               py::arg("blasts"), py::arg("others"), py::arg("known"), py::arg("known_blasts"));
    module.attr("SHARE_ESTIMATE") = py::dtype::of<ReviewedShare>();
    module.attr("STRATUM_EDGES") = inner_edges();
    module.attr("CURVE_FREEDOM") = bloodcell::curve_freedom;
    module.def("curves", &curves);
    module.def("curve_chances", &curve_chances);
    module.def("curve_features", &curve_features, py::arg("histogram"));
    py::class_<RecalibrationPrior> type(module, "RecalibrationPrior");
    type.def(py::init(&recalibration_prior), py::kw_only(), py::arg("intercept"),
             py::arg("log_slope"), py::arg("intercept_scale"), py::arg("log_slope_scale"),
             py::arg("correlation"), py::arg("worth_cells"));
    type.def("estimate_shares", &estimate_shares, py::arg("histogram"), py::arg("threads") = 1);
    type.def("reviewed_share", &reviewed_share, py::kw_only(), py::arg("histogram"),
             py::arg("unseen"), py::arg("seen"), py::arg("leukocytes"), py::arg("seen_bin"),
             py::arg("seen_blast"), py::arg("blasts"), py::arg("others"));
    type.def("next_strata", &next_strata, py::kw_only(), py::arg("histogram"), py::arg("unseen"),
             py::arg("seen"), py::arg("leukocytes"), py::arg("seen_bin"), py::arg("seen_blast"),
             py::arg("pending_bin"), py::arg("waiting"), py::arg("drawable"), py::arg("drawn"),
             py::arg("cells"));
}
