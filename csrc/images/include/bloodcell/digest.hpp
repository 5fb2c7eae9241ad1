// What the bytes of an image are known by.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace bloodcell {

// All zero stands for none: nothing was read.
using Digest = std::array<std::uint8_t, 16>;

// XXH3 of 128 bits (Collet, xxHash 0.8) in its canonical order of bytes, as `xxh128sum` prints it;
// the same on every machine. Of 64 bits two among 10^8 images would be equal by chance once in some
// thousand nights, of 128 never. It is no defence against one who makes images to deceive.
Digest digest_of(const std::uint8_t* bytes, std::size_t size) noexcept;

}  // namespace bloodcell
