// What the bindings share; the only header of the project that includes pybind11.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

void register_images(pybind11::module_& module);
void register_accumulator(pybind11::module_& module);
void register_review(pybind11::module_& module);
void register_shares(pybind11::module_& module);
void register_strings(pybind11::module_& module);
