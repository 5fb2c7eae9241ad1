// PNG: the chunks from IHDR to IEND (W3C PNG, section 5).
#include <array>
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

// Eight tables, so that eight bytes at a time need no loop over bits: table[k] is of a byte that k
// others follow.
constexpr std::size_t crc_tables = 8;
using CrcTables = std::array<std::array<std::uint32_t, 256>, crc_tables>;

constexpr CrcTables make_crc_tables() noexcept {
    CrcTables tables{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t crc = byte;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0xEDB88320U & (0U - (crc & 1U)));
        tables[0][byte] = crc;
    }
    for (std::size_t k = 1; k < crc_tables; ++k) {
        for (std::size_t byte = 0; byte < 256; ++byte) {
            const std::uint32_t crc = tables[k - 1][byte];
            tables[k][byte] = (crc >> 8) ^ tables[0][crc & 0xFFU];
        }
    }
    return tables;
}

constexpr CrcTables crc_of = make_crc_tables();

std::uint32_t crc32(const std::uint8_t* data, std::size_t size) noexcept {
    std::uint32_t crc = 0xFFFFFFFFU;
    for (; size >= crc_tables; data += crc_tables, size -= crc_tables) {
        crc = crc_of[7][data[0] ^ (crc & 0xFFU)] ^ crc_of[6][data[1] ^ (crc >> 8 & 0xFFU)] ^
              crc_of[5][data[2] ^ (crc >> 16 & 0xFFU)] ^ crc_of[4][data[3] ^ (crc >> 24)] ^
              crc_of[3][data[4]] ^ crc_of[2][data[5]] ^ crc_of[1][data[6]] ^ crc_of[0][data[7]];
    }
    for (; size > 0; ++data, --size) crc = (crc >> 8) ^ crc_of[0][(crc ^ *data) & 0xFFU];
    return ~crc;
}

// `length` bytes of data behind the chunk's length and type, all of them there.
bool is_intact(Bytes file, std::uint64_t at, std::uint64_t length) noexcept {
    const auto covered = static_cast<std::size_t>(4 + length);
    return crc32(file.data + at + 4, covered) == file.big_endian(at + 8 + length, 4);
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
    if (!is_intact(file, at, header_length)) return Reason::corrupt;
    const Reason sides =
        set_sides(header, file.big_endian(at + 8, 4), file.big_endian(at + 12, 4), limits);
    if (sides != Reason::none) return sides;
    // Depth, colour, compression, filter, interlace.
    const std::uint8_t* kind = file.data + at + 16;
    const bool known = is_known_kind(kind[0], kind[1]) && kind[2] == 0 && kind[3] == 0;
    return known && kind[4] <= 1 ? Reason::none : Reason::corrupt;
}

Reason chunks(Bytes file, std::uint64_t at, bool needs_palette, ImageHeader& header) noexcept {
    bool has_palette = false, is_rotten = false;
    std::uint64_t pixel_bytes = 0;
    for (;;) {
        if (!file.has(at, chunk_overhead)) return Reason::truncated;
        const std::uint64_t length = file.big_endian(at, 4);
        if (length > 0x7FFFFFFFU) return Reason::corrupt;
        if (!file.has(at, chunk_overhead + length)) return Reason::truncated;
        if (is_chunk(file, at, "IEND")) break;
        if (is_chunk(file, at, "PLTE")) {
            has_palette = true;
            is_rotten = is_rotten || (needs_palette && !is_intact(file, at, length));
        }
        // Animated: DALI gives the last picture, and what may be shown alone is the first.
        if (is_chunk(file, at, "acTL")) header.needs_rewriting = true;
        if (is_chunk(file, at, "IDAT")) {
            if (needs_palette && !has_palette) return Reason::corrupt;
            pixel_bytes += length;
            is_rotten = is_rotten || !is_intact(file, at, length);
        }
        at += chunk_overhead + length;
    }
    // Pillow reads pixels whatever their checksum is; DALI does not.
    if (is_rotten && !header.needs_rewriting) return Reason::corrupt;
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
