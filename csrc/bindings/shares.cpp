// Blast shares from the accumulator's integers, in Python.
#include <algorithm>
#include <exception>
#include <future>
#include <limits>
#include <string>
#include <vector>

#include "arrays.hpp"
#include "bindings.hpp"
#include "bloodcell/binomial_interval.hpp"
#include "bloodcell/share_posterior.hpp"

namespace py = pybind11;

namespace {

using bloodcell::blast_bins;
using bloodcell::Interval;
using bloodcell::ShareEstimate;
using bloodcell::ShiftModel;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

std::vector<double> masses(const char* name, const py::object& array, std::size_t bins) {
    const double* first = view<double>(name, array, {static_cast<py::ssize_t>(bins)});
    return {first, first + bins};
}

const std::int64_t* checked_histogram(const py::object& histogram) {
    const auto* counts =
        view<std::int64_t>("histogram", histogram, {-1, static_cast<py::ssize_t>(blast_bins)});
    const auto end = counts + length_of(histogram) * static_cast<py::ssize_t>(blast_bins);
    const auto* bad = std::find_if(counts, end, [](std::int64_t n) { return n < 0; });
    if (bad != end) {
        throw py::value_error("histogram: expected counts of 0 or more, found " +
                              std::to_string(*bad));
    }
    return counts;
}

bool is_empty(const std::int64_t* histogram) {
    return std::all_of(histogram, histogram + blast_bins, [](std::int64_t n) { return n == 0; });
}

ShiftModel shift_model(const py::object& blast_shape, const py::object& other_shape,
                       double blast_scale, double other_scale, double tail, double worth_cells) {
    ShiftModel model{
        bloodcell::Shape(masses("blast_shape", blast_shape, bloodcell::shape_bins)),
        bloodcell::Shape(masses("other_shape", other_shape, bloodcell::shape_bins)),
        {blast_scale, tail},
        {other_scale, tail},
        worth_cells,
    };
    model.check();
    return model;
}

ShareEstimate estimate_or_nan(const ShiftModel& model, const std::int64_t* histogram) {
    if (is_empty(histogram)) return {nan, nan, nan, {nan, nan, nan, nan}, nan, nan};
    return bloodcell::estimate_share(model, histogram);
}

// Each patient's numbers depend on his own histogram only, so threads cannot change them.
void write_estimates(const ShiftModel& model, const std::int64_t* counts, std::size_t patients,
                     ShareEstimate* out, std::size_t threads) {
    const auto work = [=, &model](std::size_t part) {
        for (std::size_t i = patients * part / threads; i < patients * (part + 1) / threads; ++i) {
            out[i] = estimate_or_nan(model, counts + i * blast_bins);
        }
    };
    std::vector<std::future<void>> others;
    for (std::size_t part = 1; part < threads; ++part) {
        others.push_back(std::async(std::launch::async, work, part));
    }
    work(0);
    for (auto& other : others) other.get();
}

py::array_t<ShareEstimate> estimate_shares(const ShiftModel& model, const py::object& histogram,
                                           int threads) {
    if (threads < 1) throw py::value_error("threads: expected 1 or more");
    const std::int64_t* counts = checked_histogram(histogram);
    const auto patients = length_of(histogram);
    py::array_t<ShareEstimate> result(patients);
    ShareEstimate* const out = result.mutable_data();
    // Safe without the GIL: plain memory, which the caller's references keep in place; nobody else
    // has seen the result yet.
    const py::gil_scoped_release release;
    write_estimates(model, counts, static_cast<std::size_t>(patients), out,
                    std::min(static_cast<std::size_t>(threads),
                             std::max<std::size_t>(1, static_cast<std::size_t>(patients))));
    return result;
}

py::array_t<Interval> clopper_pearson(const py::object& hits, const py::object& trials) {
    const auto* k = view<std::int64_t>("hits", hits, {-1});
    const py::ssize_t count = length_of(hits);
    const auto* n = view<std::int64_t>("trials", trials, {count});
    for (py::ssize_t i = 0; i < count; ++i) {
        if (k[i] >= 0 && k[i] <= n[i]) continue;
        throw py::value_error("hits: expected 0 to " + std::to_string(n[i]) + ", found " +
                              std::to_string(k[i]));
    }
    py::array_t<Interval> result(count);
    Interval* const out = result.mutable_data();
    // Safe without the GIL: as in estimate_shares.
    const py::gil_scoped_release release;
    for (py::ssize_t i = 0; i < count; ++i) {
        out[i] = n[i] > 0 ? bloodcell::clopper_pearson(k[i], n[i]) : Interval{nan, nan};
    }
    return result;
}

}  // namespace

void register_shares(py::module_& module) {
    // The core's structures are the rows that Python gets: their members name the fields.
    PYBIND11_NUMPY_DTYPE(Interval, low, high);
    PYBIND11_NUMPY_DTYPE(ShareEstimate, share, low, high, bands, misfit, shift);
    module.attr("SHARE_ESTIMATE") = py::dtype::of<ShareEstimate>();
    py::class_<ShiftModel> type(module, "ShiftModel");
    type.def(py::init(&shift_model), py::kw_only(), py::arg("blast_shape"), py::arg("other_shape"),
             py::arg("blast_scale"), py::arg("other_scale"), py::arg("tail"),
             py::arg("worth_cells"));
    type.def("estimate_shares", &estimate_shares, py::arg("histogram"), py::arg("threads") = 1);
    module.def("clopper_pearson", &clopper_pearson, py::arg("hits"), py::arg("trials"));
}
