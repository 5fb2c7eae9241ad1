// A model whose card, scheme and weights agree, and how it counts.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "bloodcell.h"
#include "bloodcell/cell_calls.hpp"
#include "card.hpp"
#include "network.hpp"
#include "scheme.hpp"

namespace bloodcell {

struct ModelOptions {
    std::string onnxruntime = "libonnxruntime.so.1";
    int threads = 1;
    int batch_size = 16;
    Counting counting{"blood", "none", 10.0};
};

// Never changes once it is open: any number of threads may score with it.
class Model {
public:
    // Throws Failure.
    Model(const std::string& folder, ModelOptions options);

    const Card& card() const { return card_; }
    const Scheme& scheme() const { return scheme_; }
    const std::vector<ClassRole>& roles() const { return roles_; }
    const Counting& counting() const { return options_.counting; }
    const std::string& runtime_version() const { return network_.runtime_version(); }

    // See bloodcell_score; arguments are checked, probabilities may be null. Writes nothing unless
    // all could be scored. Throws Failure.
    void score(const bloodcell_image* images, std::size_t count, bloodcell_cell* cells,
               float* probabilities) const;

    // What follows from a cell's probabilities, each in [0, 1]: its class and blast probability.
    void call(const float* probabilities, bloodcell_cell& cell) const;

private:
    ModelOptions options_;
    Card card_;
    Scheme scheme_;
    std::vector<ClassRole> roles_;
    CellCaller caller_;
    Network network_;
};

}  // namespace bloodcell
