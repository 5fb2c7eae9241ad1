// Images built byte by byte for the tests of the gate; 20 x 17 pixels where nothing else is said.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bloodcell/gate.hpp"
#include "check.hpp"

namespace built {

using bloodcell::Format;
using bloodcell::ImageHeader;
using bloodcell::Reason;
using Bytes = std::vector<std::uint8_t>;

inline ImageHeader inspect(const Bytes& bytes, const bloodcell::Limits& limits = {}) {
    // An allocation of exactly this size, so that the sanitizer sees a read one byte past it.
    const std::unique_ptr<std::uint8_t[]> exact(new std::uint8_t[bytes.size()]);
    std::copy(bytes.begin(), bytes.end(), exact.get());
    return bloodcell::inspect(exact.get(), bytes.size(), limits);
}

inline Reason reason(const Bytes& bytes, const bloodcell::Limits& limits = {}) {
    return inspect(bytes, limits).reason;
}

// Passes, and the header says whether Pillow must rewrite it.
inline bool is_rewritten(const Bytes& bytes) {
    const ImageHeader header = inspect(bytes);
    return header.reason == Reason::none && header.needs_rewriting;
}

inline bool is_direct(const Bytes& bytes) {
    const ImageHeader header = inspect(bytes);
    return header.reason == Reason::none && !header.needs_rewriting;
}

inline Bytes operator+(Bytes left, const Bytes& right) {
    left.insert(left.end(), right.begin(), right.end());
    return left;
}

inline Bytes text(const char* letters) {
    Bytes bytes;
    for (; *letters != '\0'; ++letters) bytes.push_back(static_cast<std::uint8_t>(*letters));
    return bytes;
}

inline Bytes number(std::uint64_t value, int width, bool big_endian) {
    Bytes bytes;
    for (int i = 0; i < width; ++i) {
        const int shift = 8 * (big_endian ? width - 1 - i : i);
        bytes.push_back(static_cast<std::uint8_t>(value >> shift));
    }
    return bytes;
}
inline Bytes be(std::uint64_t value, int width) { return number(value, width, true); }
inline Bytes le(std::uint64_t value, int width) { return number(value, width, false); }

inline void every_prefix_is_rejected(const Bytes& whole) {
    CHECK(reason(whole) == Reason::none);
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const Bytes prefix(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
        CHECK(reason(prefix) != Reason::none);
    }
}

inline Bytes segment(std::uint8_t marker, const Bytes& payload) {
    return Bytes{0xFF, marker} + be(payload.size() + 2, 2) + payload;
}

inline Bytes frame(std::uint8_t marker, unsigned width, unsigned height, std::uint8_t components,
                   std::uint8_t precision = 8, std::uint8_t first_factors = 0x11) {
    Bytes payload = Bytes{precision} + be(height, 2) + be(width, 2) + Bytes{components};
    for (std::uint8_t i = 0; i < components; ++i) {
        payload = payload + Bytes{i, i == 0 ? first_factors : std::uint8_t{0x11}, 0};
    }
    return segment(marker, payload);
}

inline Bytes scan_header(std::uint8_t components, std::uint8_t first = 0,
                         const Bytes& band = {0, 63, 0}) {
    Bytes payload = {components};
    for (std::uint8_t i = 0; i < components; ++i) {
        payload = payload + Bytes{static_cast<std::uint8_t>(first + i), 0};
    }
    return segment(0xDA, payload + band);
}

inline std::string times(unsigned count, const std::string& bits) {
    std::string all;
    for (unsigned i = 0; i < count; ++i) all += bits;
    return all;
}

// Bits as they stand in a scan: padded, and a zero behind each 0xFF.
inline Bytes packed(std::string bits, char padding = '1') {
    while (bits.size() % 8 != 0) bits += padding;
    Bytes bytes;
    for (std::size_t at = 0; at < bits.size(); at += 8) {
        bytes.push_back(static_cast<std::uint8_t>(std::stoi(bits.substr(at, 8), nullptr, 2)));
        if (bytes.back() == 0xFF) bytes.push_back(0);
    }
    return bytes;
}

// By the standard's tables of luminance: an average as before, and the end of the block.
inline const std::string empty_block = "001010";
inline constexpr unsigned blocks = 9;  // of 20 x 17 pixels

// All of a picture without a coefficient, and a fill byte.
inline Bytes scan(std::uint8_t components, const std::string& block = empty_block) {
    return scan_header(components) + packed(times(blocks * components, block)) + Bytes{0xFF};
}

inline const Bytes magic = {0xFF, 0xD8};
inline const Bytes eoi = {0xFF, 0xD9};

inline Bytes quantization(std::uint8_t slot) {
    return segment(0xDB, Bytes{slot} + Bytes(slot < 16 ? 64 : 128, 1));
}
// One code of one bit.
inline Bytes huffman(std::uint8_t slot, std::uint8_t symbol = 0) {
    return segment(0xC4, Bytes{slot, 1} + Bytes(15, 0) + Bytes{symbol});
}

inline const Bytes soi = magic + quantization(0);

}  // namespace built
