// A review's strata: the parts of a patient's leukocytes that cells are drawn from.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

namespace bloodcell {

// Strata are whole bins: their edges in log-odds are -4, -2.5, -1.25, 0, 1.25, 2.5 and 4.
inline constexpr std::size_t strata = 8;
inline constexpr std::array<std::size_t, strata + 1> stratum_edges{0,  16, 22, 27, 32,
                                                                   37, 42, 48, 64};

inline std::size_t stratum_of(std::size_t bin) {
    const auto edge = std::upper_bound(stratum_edges.begin() + 1, stratum_edges.end() - 1, bin);
    return static_cast<std::size_t>(edge - stratum_edges.begin()) - 1;
}

}  // namespace bloodcell
