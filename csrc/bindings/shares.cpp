// Exact intervals, and what the validity gate looks at, in Python.
#include <limits>
#include <string>
#include <vector>

#include "arrays.hpp"
#include "bindings.hpp"
#include "bloodcell/binomial_interval.hpp"
#include "bloodcell/mixture_fit.hpp"
#include "histograms.hpp"

namespace py = pybind11;

namespace {

using bloodcell::Interval;
using bloodcell::MixtureFit;
using bloodcell::ShiftModel;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

std::vector<double> masses(const char* name, const py::object& array, std::size_t bins) {
    const double* first = view<double>(name, array, {static_cast<py::ssize_t>(bins)});
    return {first, first + bins};
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

py::array_t<MixtureFit> fit_mixtures(const ShiftModel& model, const py::object& histogram,
                                     int threads) {
    const auto of = [&model](const std::int64_t* own) { return fit_mixture(model, own); };
    return by_patient(histogram, threads, MixtureFit{nan, nan}, of);
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
    // Safe without the GIL: as in by_patient.
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
    PYBIND11_NUMPY_DTYPE(MixtureFit, misfit, shift);
    module.attr("MIXTURE_FIT") = py::dtype::of<MixtureFit>();
    py::class_<ShiftModel> type(module, "ShiftModel");
    type.def(py::init(&shift_model), py::kw_only(), py::arg("blast_shape"), py::arg("other_shape"),
             py::arg("blast_scale"), py::arg("other_scale"), py::arg("tail"),
             py::arg("worth_cells"));
    type.def("fit_mixtures", &fit_mixtures, py::arg("histogram"), py::arg("threads") = 1);
    module.def("clopper_pearson", &clopper_pearson, py::arg("hits"), py::arg("trials"));
}
