// The patient accumulator in Python: dtype, rank and shape checked, then the core without the GIL.
#include "bloodcell/accumulator.hpp"

#include <algorithm>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arrays.hpp"
#include "bindings.hpp"

namespace py = pybind11;

namespace {

using bloodcell::Accumulator;
using bloodcell::Suspect;

// The mutex makes one accumulator safe to share between Python threads. It is only ever taken
// without the GIL, and nothing under it asks for the GIL: the two cannot wait for each other.
struct SharedAccumulator {
    explicit SharedAccumulator(Accumulator state) : core(std::move(state)) {}

    Accumulator core;
    std::mutex mutex;
};

std::unique_ptr<SharedAccumulator> construct(int patients, const py::object& is_blast,
                                             const py::object& is_leukocyte, int suspicious) {
    const bool* const blast = view<bool>("is_blast", is_blast, {-1});
    const py::ssize_t classes = length_of(is_blast);
    const bool* const leukocyte = view<bool>("is_leukocyte", is_leukocyte, {classes});
    std::vector<bloodcell::ClassRole> roles;
    for (py::ssize_t c = 0; c < classes; ++c) {
        roles.push_back({blast[c], leukocyte[c]});
    }
    return std::make_unique<SharedAccumulator>(Accumulator(patients, roles, suspicious));
}

void add(SharedAccumulator& self, const py::object& patient_index, const py::object& row,
         const py::object& probabilities) {
    const auto classes = static_cast<py::ssize_t>(self.core.classes());
    const auto* const patients = view<std::int32_t>("patient_index", patient_index, {-1});
    const py::ssize_t cells = length_of(patient_index);
    const auto* const rows = view<std::int64_t>("row", row, {cells});
    const auto* const p = view<float>("probabilities", probabilities, {cells, classes});
    // Safe without the GIL: plain memory, which the caller's references keep in place.
    const py::gil_scoped_release release;
    const std::lock_guard<std::mutex> lock(self.mutex);
    self.core.add(patients, rows, p, static_cast<std::size_t>(cells));
}

void reject(SharedAccumulator& self, const py::object& patient_index, const py::object& reason) {
    const auto* const patients = view<std::int32_t>("patient_index", patient_index, {-1});
    const py::ssize_t cells = length_of(patient_index);
    const auto* const reasons = view<std::uint8_t>("reason", reason, {cells});
    // Safe without the GIL: plain memory, which the caller's references keep in place.
    const py::gil_scoped_release release;
    const std::lock_guard<std::mutex> lock(self.mutex);
    self.core.reject(patients, reasons, static_cast<std::size_t>(cells));
}

void merge(SharedAccumulator& self, SharedAccumulator& other) {
    // Safe without the GIL: no Python object is touched.
    const py::gil_scoped_release release;
    if (&self == &other) {
        const std::lock_guard<std::mutex> lock(self.mutex);
        self.core.merge(self.core);
    } else {
        const std::scoped_lock lock(self.mutex, other.mutex);
        self.core.merge(other.core);
    }
}

py::bytes to_bytes(SharedAccumulator& self) {
    std::string bytes;
    {
        // Safe without the GIL: no Python object is touched.
        const py::gil_scoped_release release;
        const std::lock_guard<std::mutex> lock(self.mutex);
        bytes = self.core.to_bytes();
    }
    return py::bytes(bytes);
}

std::unique_ptr<SharedAccumulator> from_bytes(const py::bytes& data) {
    const auto bytes = static_cast<std::string_view>(data);
    // Safe without the GIL: a bytes object never changes, and the caller keeps it alive.
    const py::gil_scoped_release release;
    return std::make_unique<SharedAccumulator>(Accumulator::from_bytes(bytes));
}

// A fresh array of one row a patient, filled by fill(core, first element) under the mutex.
template <typename T, typename Fill>
py::array_t<T> filled(SharedAccumulator& self, const std::vector<std::size_t>& columns, Fill fill) {
    std::vector<std::size_t> shape{self.core.patients()};
    shape.insert(shape.end(), columns.begin(), columns.end());
    py::array_t<T> result(shape);
    T* const first = result.mutable_data();
    // Safe without the GIL: nobody else has seen the array yet.
    const py::gil_scoped_release release;
    const std::lock_guard<std::mutex> lock(self.mutex);
    fill(self.core, first);
    return result;
}

using Counts = const std::vector<std::int64_t>& (Accumulator::*)() const;

py::array_t<std::int64_t> counts(SharedAccumulator& self, std::size_t columns, Counts which) {
    return filled<std::int64_t>(self, {columns}, [which](const Accumulator& core, auto* out) {
        const std::vector<std::int64_t>& values = (core.*which)();
        std::copy(values.begin(), values.end(), out);
    });
}

py::array_t<std::int64_t> scored(SharedAccumulator& self) {
    return filled<std::int64_t>(self, {}, [](const Accumulator& core, std::int64_t* out) {
        for (std::size_t patient = 0; patient < core.patients(); ++patient) {
            out[patient] = core.scored(patient);
        }
    });
}

// One field of every suspect, as `field` reads it.
template <typename T, typename Field>
py::array_t<T> suspects(SharedAccumulator& self, Field field) {
    const std::size_t columns = self.core.suspicious_per_patient();
    return filled<T>(self, {columns}, [field](const Accumulator& core, T* out) {
        std::transform(core.suspects().begin(), core.suspects().end(), out, field);
    });
}

py::array_t<double> blast_log_odds_edges() {
    py::array_t<double> edges(static_cast<py::ssize_t>(bloodcell::blast_bins + 1));
    for (std::size_t k = 0; k <= bloodcell::blast_bins; ++k) {
        edges.mutable_data()[k] = bloodcell::blast_bin_edge(k);
    }
    edges.attr("setflags")(py::arg("write") = false);
    return edges;
}

void add_properties(py::class_<SharedAccumulator>& type) {
    type.def_property_readonly("scored", &scored);
    type.def_property_readonly("rejected", [](SharedAccumulator& self) {
        return counts(self, bloodcell::reason_count, &Accumulator::rejected);
    });
    type.def_property_readonly("class_counts", [](SharedAccumulator& self) {
        return counts(self, self.core.classes(), &Accumulator::class_counts);
    });
    type.def_property_readonly("blast_histogram", [](SharedAccumulator& self) {
        return counts(self, bloodcell::blast_bins, &Accumulator::blast_histogram);
    });
    type.def_property_readonly("suspicious_rows", [](SharedAccumulator& self) {
        return suspects<std::int64_t>(self, [](const Suspect& s) { return s.row; });
    });
    type.def_property_readonly("suspicious_probability", [](SharedAccumulator& self) {
        return suspects<float>(self, [](const Suspect& s) {
            return static_cast<float>(s.blast_probability) / bloodcell::probability_one;
        });
    });
}

}  // namespace

void register_accumulator(py::module_& module) {
    py::class_<SharedAccumulator> type(module, "Accumulator");
    type.def(py::init(&construct), py::arg("patients"), py::arg("is_blast"),
             py::arg("is_leukocyte"), py::arg("suspicious_per_patient") = 24);
    type.def("add", &add, py::arg("patient_index"), py::arg("row"), py::arg("probabilities"));
    type.def("reject", &reject, py::arg("patient_index"), py::arg("reason"));
    type.def("merge", &merge, py::arg("other"));
    type.def("to_bytes", &to_bytes);
    type.def_static("from_bytes", &from_bytes, py::arg("data"));
    add_properties(type);
    const py::array edges = blast_log_odds_edges();
    type.attr("BLAST_LOG_ODDS_EDGES") = edges;
    module.attr("BLAST_LOG_ODDS_EDGES") = edges;
}
