#include "arrays.hpp"

namespace py = pybind11;

std::string shape_text(const std::vector<py::ssize_t>& shape) {
    std::string text;
    for (const py::ssize_t length : shape) {
        text += (text.empty() ? "" : ", ") + (length < 0 ? "N" : std::to_string(length));
    }
    return "(" + text + (shape.size() == 1 ? ",)" : ")");
}

bool has_shape(const py::array& array, const std::vector<py::ssize_t>& expected) {
    if (array.ndim() != static_cast<py::ssize_t>(expected.size())) {
        return false;
    }
    for (py::ssize_t axis = 0; axis < array.ndim(); ++axis) {
        const py::ssize_t length = expected[static_cast<std::size_t>(axis)];
        if (length >= 0 && array.shape(axis) != length) {
            return false;
        }
    }
    return true;
}

py::ssize_t length_of(const py::object& viewed) {
    return py::reinterpret_borrow<py::array>(viewed).shape(0);
}

std::vector<std::int64_t> checked_offsets(const char* name, const py::object& object,
                                          py::ssize_t bytes) {
    const auto* data = view<std::int64_t>(name, object, {-1});
    const py::ssize_t count = length_of(object);
    const std::string prefix = std::string(name) + ": expected ";
    if (count == 0) throw py::value_error(prefix + "N + 1 offsets, found none");
    std::vector<std::int64_t> offsets(data, data + count);
    if (offsets.front() < 0) {
        throw py::value_error(prefix + "offsets from 0 on, found " +
                              std::to_string(offsets.front()));
    }
    for (std::size_t i = 1; i < offsets.size(); ++i) {
        if (offsets[i] >= offsets[i - 1]) continue;
        throw py::value_error(prefix + "ascending offsets, found " + std::to_string(offsets[i]) +
                              " behind " + std::to_string(offsets[i - 1]));
    }
    if (offsets.back() > bytes) {
        throw py::value_error(prefix + "offsets up to " + std::to_string(bytes) + ", found " +
                              std::to_string(offsets.back()));
    }
    return offsets;
}
