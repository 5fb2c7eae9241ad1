// Logits to calibrated, quantised class probabilities; engine/probabilities.py does the same.
#pragma once

#include <cstddef>

namespace bloodcell {

// Softmax of logits / temperature (Guo et al. 2017, arXiv 1706.04599) of one cell, in multiples of
// 2^-16. false, and NaN in every class, if the logits are not all finite.
bool calibrated(const float* logits, std::size_t classes, double temperature, float* probabilities);

}  // namespace bloodcell
