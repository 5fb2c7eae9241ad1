#include <bloodcell/hash.hpp>
#include <cstdint>

#include "arrays.hpp"
#include "bindings.hpp"

namespace py = pybind11;

namespace {

py::array_t<std::uint64_t> hash_strings(const py::object& offsets_array, const py::object& data) {
    const auto* bytes = view<std::uint8_t>("data", data, {-1});
    const auto offsets = checked_offsets("offsets", offsets_array, length_of(data));
    const std::size_t count = offsets.size() - 1;
    py::array_t<std::uint64_t> hashes(static_cast<py::ssize_t>(count));
    std::uint64_t* out = hashes.mutable_data();
    // Safe without the GIL: the caller keeps `data` alive, and nobody else has seen `hashes` yet.
    const py::gil_scoped_release release;
    for (std::size_t i = 0; i < count; ++i) {
        const auto size = static_cast<std::size_t>(offsets[i + 1] - offsets[i]);
        out[i] = bloodcell::hash_string(bytes + offsets[i], size);
    }
    return hashes;
}

}  // namespace

void register_strings(py::module_& module) {
    module.def("hash_strings", &hash_strings, py::arg("offsets"), py::arg("data"));
}
