#include <bloodcell/hash.hpp>
#include <cstdint>

#include "bindings.hpp"

namespace py = pybind11;

namespace {

using Offsets = py::array_t<std::int64_t, py::array::c_style>;
using Bytes = py::array_t<std::uint8_t, py::array::c_style>;

py::array_t<std::uint64_t> hash_strings(const Offsets& offsets, const Bytes& bytes) {
    if (offsets.ndim() != 1 || offsets.size() < 1 || bytes.ndim() != 1) {
        throw py::value_error("offsets int64 (N + 1,) and bytes uint8 (M,) are expected");
    }
    const auto count = offsets.size() - 1;
    py::array_t<std::uint64_t> hashes(count);
    const std::int64_t* starts = offsets.data();
    const std::uint8_t* data = bytes.data();
    std::uint64_t* out = hashes.mutable_data();
    const std::int64_t size = bytes.size();
    bool ascending = starts[0] >= 0 && starts[count] <= size;
    {
        // The arguments keep the arrays alive; nothing below touches Python.
        py::gil_scoped_release release;
        for (py::ssize_t i = 0; ascending && i < count; ++i) {
            ascending = starts[i] <= starts[i + 1] && starts[i + 1] <= size;
            if (ascending) {
                out[i] = bloodcell::hash_string(data + starts[i],
                                                static_cast<std::size_t>(starts[i + 1] - starts[i]));
            }
        }
    }
    if (!ascending) {
        throw py::value_error("offsets must ascend from 0 to at most the number of bytes");
    }
    return hashes;
}

}  // namespace

void register_strings(py::module_& module) {
    module.def("hash_strings", &hash_strings, py::arg("offsets").noconvert(),
               py::arg("data").noconvert());
}
