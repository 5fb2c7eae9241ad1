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
#include "bloodcell/label_shift.hpp"
#include "bloodcell/share_posterior.hpp"

namespace py = pybind11;

namespace {

using bloodcell::blast_bins;
using bloodcell::ShiftModel;

constexpr py::ssize_t estimate_columns = 9;
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

void write_estimate(const ShiftModel& model, const std::int64_t* histogram, double* out) {
    if (is_empty(histogram)) {
        std::fill(out, out + estimate_columns, nan);
        return;
    }
    const bloodcell::ShareEstimate e = bloodcell::estimate_share(model, histogram);
    const double values[estimate_columns] = {e.share,    e.low,      e.high,   e.bands[0], e.bands[1],
                                             e.bands[2], e.bands[3], e.misfit, e.shift};
    std::copy(values, values + estimate_columns, out);
}

// Each patient's numbers depend on his own histogram only, so threads cannot change them.
void write_estimates(const ShiftModel& model, const std::int64_t* counts, std::size_t patients,
                     double* out, std::size_t threads) {
    const auto work = [=, &model](std::size_t part) {
        for (std::size_t i = patients * part / threads; i < patients * (part + 1) / threads; ++i) {
            write_estimate(model, counts + i * blast_bins,
                           out + i * static_cast<std::size_t>(estimate_columns));
        }
    };
    std::vector<std::future<void>> others;
    for (std::size_t part = 1; part < threads; ++part) {
        others.push_back(std::async(std::launch::async, work, part));
    }
    work(0);
    for (auto& other : others) other.get();
}

py::array_t<double> estimate_shares(const ShiftModel& model, const py::object& histogram,
                                    int threads) {
    if (threads < 1) throw py::value_error("threads: expected 1 or more");
    const std::int64_t* counts = checked_histogram(histogram);
    const auto patients = length_of(histogram);
    py::array_t<double> result({patients, estimate_columns});
    double* const out = result.mutable_data();
    // Safe without the GIL: plain memory, which the caller's references keep in place; nobody else
    // has seen the result yet.
    const py::gil_scoped_release release;
    write_estimates(model, counts, static_cast<std::size_t>(patients), out,
                    std::min(static_cast<std::size_t>(threads),
                             std::max<std::size_t>(1, static_cast<std::size_t>(patients))));
    return result;
}

bloodcell::BinChances chances(const char* name, const py::object& array) {
    const std::vector<double> values = masses(name, array, blast_bins);
    bloodcell::BinChances result;
    std::copy(values.begin(), values.end(), result.begin());
    if (!std::all_of(result.begin(), result.end(), [](double p) { return p > 0 && p <= 1; })) {
        throw py::value_error(std::string(name) + ": expected chances above 0, at most 1");
    }
    return result;
}

py::array_t<double> label_shift_shares(const py::object& histogram, const py::object& blast,
                                       const py::object& other) {
    const std::int64_t* counts = checked_histogram(histogram);
    const bloodcell::BinChances of_blasts = chances("blast", blast);
    const bloodcell::BinChances of_others = chances("other", other);
    const auto patients = length_of(histogram);
    py::array_t<double> result({patients, py::ssize_t{3}});
    double* out = result.mutable_data();
    // Safe without the GIL: as in estimate_shares.
    const py::gil_scoped_release release;
    for (py::ssize_t i = 0; i < patients; ++i, counts += blast_bins, out += 3) {
        if (is_empty(counts)) {
            std::fill(out, out + 3, nan);
            continue;
        }
        const auto shares = bloodcell::label_shift_shares(of_blasts, of_others, counts);
        out[0] = shares.adjusted_count;
        out[1] = shares.adjusted_probability;
        out[2] = shares.likeliest;
    }
    return result;
}

py::array_t<double> clopper_pearson(const py::object& hits, const py::object& trials) {
    const auto* k = view<std::int64_t>("hits", hits, {-1});
    const py::ssize_t count = length_of(hits);
    const auto* n = view<std::int64_t>("trials", trials, {count});
    for (py::ssize_t i = 0; i < count; ++i) {
        if (k[i] >= 0 && k[i] <= n[i]) continue;
        throw py::value_error("hits: expected 0 to " + std::to_string(n[i]) + ", found " +
                              std::to_string(k[i]));
    }
    py::array_t<double> result({count, py::ssize_t{2}});
    double* out = result.mutable_data();
    // Safe without the GIL: as in estimate_shares.
    const py::gil_scoped_release release;
    for (py::ssize_t i = 0; i < count; ++i, out += 2) {
        const bloodcell::Interval interval =
            n[i] > 0 ? bloodcell::clopper_pearson(k[i], n[i]) : bloodcell::Interval{nan, nan};
        out[0] = interval.low;
        out[1] = interval.high;
    }
    return result;
}

}  // namespace

void register_shares(py::module_& module) {
    py::class_<ShiftModel> type(module, "ShiftModel");
    type.def(py::init(&shift_model), py::kw_only(), py::arg("blast_shape"), py::arg("other_shape"),
             py::arg("blast_scale"), py::arg("other_scale"), py::arg("tail"),
             py::arg("worth_cells"));
    type.def("estimate_shares", &estimate_shares, py::arg("histogram"), py::arg("threads") = 1);
    module.def("label_shift_shares", &label_shift_shares, py::arg("histogram"), py::arg("blast"),
               py::arg("other"));
    module.def("clopper_pearson", &clopper_pearson, py::arg("hits"), py::arg("trials"));
}
