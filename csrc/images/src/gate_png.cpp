// PNG: the chunks from IHDR to IEND (W3C PNG, section 5).
#include <cstring>

#include "gate_formats.hpp"

namespace bloodcell::formats {
namespace {

constexpr std::size_t signature_size = 8;
constexpr std::uint64_t chunk_overhead = 12;  // length, type, CRC
constexpr std::uint64_t header_length = 13;
constexpr std::uint8_t palette_color = 3;

bool is_chunk(Bytes file, std::uint64_t at, const char* type) noexcept {
    return std::memcmp(file.data + at + 4, type, 4) == 0;
}

// Bit by bit, because it is only ever run over the 17 bytes of IHDR: a flipped bit there changes
// the image's shape, while the decoder finds those in the pixel data by itself.
std::uint32_t crc32(const std::uint8_t* data, std::size_t size) noexcept {
    std::uint32_t crc = 0xFFFFFFFFU;
    for (std::size_t i = 0; i < size; ++i) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0xEDB88320U & (0U - (crc & 1U)));
    }
    return ~crc;
}

bool is_known_kind(unsigned depth, unsigned color) noexcept {
    switch (color) {
        case 0: return depth == 1 || depth == 2 || depth == 4 || depth == 8 || depth == 16;
        case palette_color: return depth == 1 || depth == 2 || depth == 4 || depth == 8;
        case 2:
        case 4:
        case 6: return depth == 8 || depth == 16;
        default: return false;
    }
}

Reason image_header(Bytes file, const Limits& limits, ImageHeader& header) noexcept {
    const std::size_t at = signature_size;
    if (!file.has(at, chunk_overhead + header_length)) return Reason::truncated;
    if (file.big_endian(at, 4) != header_length || !is_chunk(file, at, "IHDR")) {
        return Reason::corrupt;
    }
    if (crc32(file.data + at + 4, 4 + header_length) != file.big_endian(at + 21, 4)) {
        return Reason::corrupt;
    }
    const Reason sides =
        set_sides(header, file.big_endian(at + 8, 4), file.big_endian(at + 12, 4), limits);
    if (sides != Reason::none) return sides;
    // Depth, colour, compression, filter, interlace.
    const std::uint8_t* kind = file.data + at + 16;
    const bool known = is_known_kind(kind[0], kind[1]) && kind[2] == 0 && kind[3] == 0;
    return known && kind[4] <= 1 ? Reason::none : Reason::corrupt;
}

Reason chunks(Bytes file, std::uint64_t at, bool needs_palette, ImageHeader& header) noexcept {
    bool has_palette = false;
    std::uint64_t pixel_bytes = 0;
    for (;;) {
        if (!file.has(at, chunk_overhead)) return Reason::truncated;
        const std::uint64_t length = file.big_endian(at, 4);
        if (length > 0x7FFFFFFFU) return Reason::corrupt;
        if (!file.has(at, chunk_overhead + length)) return Reason::truncated;
        if (is_chunk(file, at, "IEND")) break;
        if (is_chunk(file, at, "PLTE")) has_palette = true;
        // Animated: DALI gives the last picture, and what may be shown alone is the first.
        if (is_chunk(file, at, "acTL")) header.needs_rewriting = true;
        if (is_chunk(file, at, "IDAT")) {
            if (needs_palette && !has_palette) return Reason::corrupt;
            pixel_bytes += length;
        }
        at += chunk_overhead + length;
    }
    return pixel_bytes > 0 ? Reason::none : Reason::corrupt;
}

}  // namespace

void inspect_png(Bytes file, const Limits& limits, ImageHeader& header) noexcept {
    header.reason = image_header(file, limits, header);
    if (header.reason != Reason::none) return;
    header.is_deep = file.data[signature_size + 16] == 16;
    const bool needs_palette = file.data[signature_size + 17] == palette_color;
    header.reason =
        chunks(file, signature_size + chunk_overhead + header_length, needs_palette, header);
}

}  // namespace bloodcell::formats
