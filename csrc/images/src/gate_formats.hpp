// What the format readers of the gate share; internal to csrc/src.
#pragma once

#include <cstddef>
#include <cstdint>

#include "bloodcell/gate.hpp"

namespace bloodcell::formats {

// A view of one encoded file. The readers below do not check: ask has() first.
struct Bytes {
    const std::uint8_t* data;
    std::size_t size;

    // Written so that no claim of a header, however large, can overflow it.
    bool has(std::uint64_t at, std::uint64_t count) const noexcept {
        return at <= size && count <= size - at;
    }

    std::uint64_t big_endian(std::uint64_t at, unsigned width) const noexcept {
        std::uint64_t value = 0;
        for (unsigned i = 0; i < width; ++i) value = (value << 8) | data[at + i];
        return value;
    }

    std::uint64_t little_endian(std::uint64_t at, unsigned width) const noexcept {
        std::uint64_t value = 0;
        for (unsigned i = width; i > 0; --i) value = (value << 8) | data[at + i - 1];
        return value;
    }
};

// Stores the sides and judges them. Called as soon as they are known, so that a bomb is called
// too large even if the file is cut as well.
Reason set_sides(ImageHeader& header, std::uint64_t width, std::uint64_t height,
                 const Limits& limits) noexcept;

// Each reader relies on the format's magic having been seen, and fills in all but the format.
void inspect_jpeg(Bytes file, const Limits& limits, ImageHeader& header) noexcept;
void inspect_png(Bytes file, const Limits& limits, ImageHeader& header) noexcept;
void inspect_bmp(Bytes file, const Limits& limits, ImageHeader& header) noexcept;
void inspect_tiff(Bytes file, const Limits& limits, ImageHeader& header) noexcept;

}  // namespace bloodcell::formats
