// The bits of a JPEG's entropy-coded segment; internal to csrc/src.
#pragma once

#include <cstddef>
#include <cstdint>

#include "gate_formats.hpp"

namespace bloodcell::formats {

// Big-endian; compilers make one load of it.
inline std::uint64_t eight_bytes(const std::uint8_t* at) noexcept {
    std::uint64_t word = 0;
    for (unsigned i = 0; i < 8; ++i) word = (word << 8) | at[i];
    return word;
}

// Passed by value where a call is not inlined, so that it stays in registers everywhere else.
// Behind the segment come zeros: `count` below 0 says that they were taken.
struct JpegBits {
    std::uint64_t buffer = 0;  // the next bit is the highest
    int count = 0;             // of bits in it
    bool has_ended = false;    // `at` stands on the marker behind the segment, or at the file's end
    const std::uint8_t* at = nullptr;
    const std::uint8_t* end = nullptr;  // of the file

    std::uint32_t peek(unsigned bits) const noexcept {
        return static_cast<std::uint32_t>(buffer >> 1 >> (63 - bits));  // bits may be 0
    }
    void skip(unsigned bits) noexcept {
        buffer <<= bits;
        count -= static_cast<int>(bits);
    }
};

constexpr int least_jpeg_bits = 56;  // after a refill, unless the segment ended

// Byte by byte: stuffed zeros behind 0xFF are dropped, a marker ends the segment. Like libjpeg
// takes any number of 0xFF for one.
inline JpegBits refilled_by_bytes(JpegBits bits) noexcept {
    while (bits.count < least_jpeg_bits && !bits.has_ended) {
        const std::uint8_t* next = bits.at;
        while (next != bits.end && *next == 0xFF) ++next;
        bits.has_ended = next == bits.end || (next != bits.at && *next != 0);
        if (bits.has_ended) break;
        const std::uint64_t byte = next == bits.at ? *next : 0xFFU;
        bits.buffer |= byte << (56 - bits.count);
        bits.count += 8;
        bits.at = next + 1;
    }
    return bits;
}

// Eight bytes at once where none of them is 0xFF. Bits behind `count` may be set, to what the
// bytes behind will set them to.
inline void refill(JpegBits& bits) noexcept {
    if (bits.end - bits.at >= 8) {
        const std::uint64_t word = eight_bytes(bits.at);
        constexpr std::uint64_t ones = 0x0101010101010101U;
        const bool has_ff = ((~word - ones) & word & (ones << 7)) != 0;
        if (!has_ff) {
            bits.buffer |= word >> bits.count;
            const int bytes = (63 - bits.count) >> 3;
            bits.at += bytes;
            bits.count += 8 * bytes;
            return;
        }
    }
    bits = refilled_by_bytes(bits);
}

// Whether no more than padding is left in front of a marker: libjpeg does not look at its bits.
inline bool has_only_padding(JpegBits& bits) noexcept {
    bits = refilled_by_bytes(bits);
    return bits.has_ended && bits.count >= 0 && bits.count < 8;
}

// Steps over the restart marker that has this number; `at` stands in front of it.
inline bool take_restart(JpegBits& bits, unsigned number) noexcept {
    constexpr unsigned RST0 = 0xD0, restart_markers = 8;
    const std::uint8_t* marker = bits.at;
    while (marker != bits.end && *marker == 0xFF) ++marker;
    if (marker == bits.end || *marker != RST0 + number % restart_markers) return false;
    bits = {0, 0, false, marker + 1, bits.end};
    return true;
}

}  // namespace bloodcell::formats
