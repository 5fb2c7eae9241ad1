#include "bindings.hpp"

void register_images(pybind11::module_&) {}
