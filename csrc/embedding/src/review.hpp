// A patient's share after a person looked at some cells; bloodcell/review is the same in Python.
#pragma once

#include "bloodcell.h"
#include "model.hpp"

namespace bloodcell {

// Without the caller's struct_size. Arrays are checked for null, nothing else is. Throws Failure.
bloodcell_reviewed reviewed(const Model& model, const bloodcell_review_input& input);

}  // namespace bloodcell
