// Arguments that are NumPy arrays: viewed, never converted, and refused with what was found.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bindings.hpp"

// "(2, N)": what a message says of a shape; -1 stands for any length.
std::string shape_text(const std::vector<pybind11::ssize_t>& shape);

bool has_shape(const pybind11::array& array, const std::vector<pybind11::ssize_t>& expected);

// Length of the first axis of what `view` has let pass.
pybind11::ssize_t length_of(const pybind11::object& viewed);

// N + 1 offsets that ascend from 0 or more to at most `bytes`. A copy, so that no other thread can
// change them once they have been checked. Throws type_error and value_error.
std::vector<std::int64_t> checked_offsets(const char* name, const pybind11::object& object,
                                          pybind11::ssize_t bytes);

// The elements of a NumPy array of exactly this dtype and shape (-1: any length), viewed and
// never converted. O(1): contents are for the core to judge.
template <typename T>
const T* view(const char* name, const pybind11::object& object,
              const std::vector<pybind11::ssize_t>& shape) {
    if (!pybind11::isinstance<pybind11::array>(object)) {
        throw pybind11::type_error(std::string(name) + ": expected numpy.ndarray, found " +
                                   Py_TYPE(object.ptr())->tp_name);
    }
    const auto array = pybind11::reinterpret_borrow<pybind11::array>(object);
    const pybind11::dtype expected = pybind11::dtype::of<T>();
    if (!array.dtype().equal(expected)) {
        throw pybind11::type_error(std::string(name) + ": expected dtype " +
                                   pybind11::str(expected).cast<std::string>() + ", found " +
                                   pybind11::str(array.dtype()).cast<std::string>());
    }
    if (!has_shape(array, shape)) {
        const std::vector<pybind11::ssize_t> actual(array.shape(), array.shape() + array.ndim());
        throw pybind11::value_error(std::string(name) + ": expected shape " + shape_text(shape) +
                                    ", found " + shape_text(actual));
    }
    constexpr int usable = pybind11::array::c_style | pybind11::detail::npy_api::NPY_ARRAY_ALIGNED_;
    if ((array.flags() & usable) != usable) {
        throw pybind11::value_error(
            std::string(name) + ": expected a C-contiguous, aligned array, found one that is not");
    }
    return static_cast<const T*>(array.data());
}
