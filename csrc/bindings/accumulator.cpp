#include "bindings.hpp"

void register_accumulator(pybind11::module_&) {}
