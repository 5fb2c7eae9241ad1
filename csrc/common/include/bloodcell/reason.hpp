// Why a cell was rejected. The numbers cross the Python border and are stored; never renumber.
#pragma once

#include <cstdint>

namespace bloodcell {

enum class Reason : std::uint8_t {
    none = 0,  // not rejected
    missing,
    unreadable,
    empty,
    not_an_image,
    unsupported,
    truncated,
    corrupt,
    too_small,
    too_large,
    crashed_decoder,
};

inline constexpr int reason_count = 11;

// The contract's word for each reason, indexed by its number; "" for none.
inline constexpr const char* reason_names[reason_count] = {
    "",          "missing", "unreadable", "empty",     "not_an_image",   "unsupported",
    "truncated", "corrupt", "too_small",  "too_large", "crashed_decoder"};

}  // namespace bloodcell
