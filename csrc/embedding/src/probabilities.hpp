// Logits to calibrated, quantised class probabilities; engine/probabilities.py does the same.
#pragma once

#include <cstddef>
#include <vector>

namespace bloodcell {

// Softmax of logits / temperature (Guo et al. 2017, arXiv 1706.04599) of one cell, in multiples of
// 2^-16. prior_ratios, one a class or none: classes of 0 keep their probability; what these leave
// the others share in proportion to probability times ratio (Saerens et al. 2002). false, and NaN
// in every class, if the logits are not all finite.
bool calibrated(const float* logits, std::size_t classes, double temperature,
                const std::vector<double>& prior_ratios, float* probabilities);

}  // namespace bloodcell
