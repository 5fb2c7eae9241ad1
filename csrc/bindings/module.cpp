// The extension's table of contents; each subject registers itself.
#include "bindings.hpp"

PYBIND11_MODULE(_core, module) {
    module.doc() =
        "Header gate, batch reader, patient accumulator, blast shares, reviews, string hashes.";
    register_images(module);
    register_accumulator(module);
    register_shares(module);
    register_review(module);
    register_strings(module);
}
