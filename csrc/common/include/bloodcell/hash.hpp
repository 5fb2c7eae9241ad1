// 64-bit hashes of strings, to find repeated paths in eight bytes a path.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bloodcell {

// FNV-1a (Fowler, Noll, Vo; draft-eastlake-fnv). Equal strings have equal hashes; the caller
// looks closer where hashes agree, so a collision costs time, never a wrong answer.
inline std::uint64_t hash_string(const std::uint8_t* bytes, std::size_t size) noexcept {
    std::uint64_t hash = 0xcbf29ce484222325ULL;
    for (std::size_t i = 0; i < size; ++i) {
        hash = (hash ^ bytes[i]) * 0x100000001b3ULL;
    }
    return hash;
}

}  // namespace bloodcell
