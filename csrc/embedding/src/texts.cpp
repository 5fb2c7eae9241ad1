// What numbers of bloodcell.h are called, for people.
#include "bloodcell.h"
#include "bloodcell/reason.hpp"
#include "border.hpp"

namespace {

constexpr const char* statuses[] = {
    "ok",
    "invalid argument",
    "closed handle",
    "bad model",
    "no ONNX Runtime",
    "network failed",
    "unknown patient",
    "patient is finished",
    "buffer too small",
    "no memory",
    "internal error",
};

// Those of the column `adjustment` of patients.parquet, in the order of bloodcell_adjustment.
constexpr const char* adjustments[] = {
    "adjusted",
    "most cells look otherwise than the stained smears that the network learnt from: "
    "what are these images of?",
    "no error model in the model card",
    "error model is for another profile or other blast equivalents",
    "no leukocytes",
    "scores fit no mixture of blasts and other cells: is it the scanner and stain of the model?",
    "scores lie far from those the model knows: is it its scanner and stain?",
};

template <std::size_t count>
const char* text_of(const char* const (&texts)[count], std::int32_t number) {
    if (number < 0 || static_cast<std::size_t>(number) >= count) return "unknown";
    return texts[number];
}

}  // namespace

extern "C" {

int32_t bloodcell_abi_version(void) { return BLOODCELL_ABI_VERSION; }

const char* bloodcell_version(void) { return BLOODCELL_VERSION; }

const char* bloodcell_status_text(int32_t status) { return text_of(statuses, status); }

const char* bloodcell_reason_text(int32_t reason) {
    return text_of(bloodcell::reason_names, reason);
}

const char* bloodcell_adjustment_text(int32_t adjustment) {
    return text_of(adjustments, adjustment);
}

const char* bloodcell_last_error(void) { return bloodcell::last_error(); }

}  // extern "C"
