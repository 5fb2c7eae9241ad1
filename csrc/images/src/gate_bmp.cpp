// BMP: Windows (40 bytes and more) and OS/2 (12 and 64 bytes) headers.
#include <algorithm>
#include <array>
#include <iterator>

#include "gate_formats.hpp"

namespace bloodcell::formats {
namespace {

constexpr std::uint64_t file_header_size = 14;
constexpr std::uint64_t core_size = 12;
constexpr std::uint64_t info_size = 40;
constexpr std::uint64_t os2_size = 64;

enum Compression : std::uint64_t { uncompressed = 0, rle8 = 1, rle4 = 2, bitfields = 3 };

struct BmpHeader {
    std::uint64_t pixel_offset;
    std::uint64_t header_size;
    std::uint64_t width;
    std::uint64_t height;
    bool top_down = false;
    std::uint64_t planes;
    std::uint64_t bits;
    std::uint64_t compression = uncompressed;
    std::uint64_t pixel_bytes = 0;  // only RLE has to state it
    std::uint64_t colors = 0;       // 0: as many as the bits allow
};

BmpHeader read_core(Bytes file) noexcept {
    BmpHeader bmp{};
    bmp.width = file.little_endian(18, 2);
    bmp.height = file.little_endian(20, 2);
    bmp.planes = file.little_endian(22, 2);
    bmp.bits = file.little_endian(24, 2);
    return bmp;
}

BmpHeader read_info(Bytes file) noexcept {
    BmpHeader bmp{};
    bmp.width = file.little_endian(18, 4);
    bmp.height = file.little_endian(22, 4);
    bmp.top_down = (bmp.height >> 31) != 0;
    if (bmp.top_down) bmp.height = (std::uint64_t{1} << 32) - bmp.height;
    bmp.planes = file.little_endian(26, 2);
    bmp.bits = file.little_endian(28, 2);
    bmp.compression = file.little_endian(30, 4);
    bmp.pixel_bytes = file.little_endian(34, 4);
    bmp.colors = file.little_endian(46, 4);
    return bmp;
}

// Red, green, blue, alpha; alpha is 0 where the header has no place for it.
using Masks = std::array<std::uint64_t, 4>;

constexpr Masks bgrx = {0xFF0000, 0xFF00, 0xFF, 0};

// What Pillow knows of 32 bits, all of them whole bytes.
constexpr Masks rewritten_masks[] = {
    bgrx,
    {0xFF0000, 0xFF00, 0xFF, 0xFF000000},
    {0xFF, 0xFF00, 0xFF0000, 0xFF000000},
    {0xFF000000, 0xFF0000, 0xFF00, 0},
    {0xFF000000, 0xFF0000, 0xFF00, 0xFF},
    {0xFF000000, 0xFF00, 0xFF, 0},
    {0xFF000000, 0xFF00, 0xFF, 0xFF0000},
};
constexpr Masks rewritten_16_bit_masks[] = {{0xF800, 0x7E0, 0x1F, 0}, {0x7C00, 0x3E0, 0x1F, 0}};

template <std::size_t N>
bool is_one_of(const Masks& masks, const Masks (&known)[N]) noexcept {
    return std::find(std::begin(known), std::end(known), masks) != std::end(known);
}

bool is_known_header(std::uint64_t size) noexcept {
    return size == core_size || size == info_size || size == 52 || size == 56 || size == 108 ||
           size == 124;
}

Reason check_masks(Bytes file, const BmpHeader& bmp, ImageHeader& header) noexcept {
    if (bmp.header_size == os2_size) return Reason::unsupported;
    const bool has_alpha = bmp.header_size >= 56;
    if (!file.has(54, has_alpha ? 16 : 12)) return Reason::truncated;
    Masks masks{};
    for (std::size_t i = 0; i < (has_alpha ? 4 : 3); ++i) {
        masks[i] = file.little_endian(54 + 4 * i, 4);
    }
    Masks colors = masks;
    colors[3] = 0;
    if (bmp.bits == 32 && colors == bgrx) return Reason::none;
    header.needs_rewriting = true;
    const bool is_known = (bmp.bits == 32 && is_one_of(masks, rewritten_masks)) ||
                          (bmp.bits == 16 && is_one_of(colors, rewritten_16_bit_masks));
    return is_known && is_known_header(bmp.header_size) ? Reason::none : Reason::unsupported;
}

Reason check_kind(Bytes file, const BmpHeader& bmp, ImageHeader& header) noexcept {
    switch (bmp.compression) {
        case uncompressed:
            header.needs_rewriting = bmp.bits == 16;
            if (bmp.bits == 16) {
                return is_known_header(bmp.header_size) ? Reason::none : Reason::unsupported;
            }
            return bmp.bits == 1 || bmp.bits == 4 || bmp.bits == 8 || bmp.bits == 24 ||
                           bmp.bits == 32
                       ? Reason::none
                       : Reason::unsupported;
        case rle8:
        case rle4:
            // DALI fails on RLE4, and turns a top-down RLE upside down.
            header.needs_rewriting = bmp.compression == rle4 || bmp.top_down;
            return bmp.bits == (bmp.compression == rle4 ? 4 : 8) ? Reason::none
                                                                 : Reason::unsupported;
        case bitfields: return check_masks(file, bmp, header);
        default: return Reason::unsupported;
    }
}

// The pixels must begin behind headers and palette: decoders disagree about an offset inside them.
Reason check_layout(Bytes file, const BmpHeader& bmp) noexcept {
    std::uint64_t pixels_from = file_header_size + bmp.header_size;
    if (bmp.compression == bitfields && bmp.header_size == info_size) pixels_from += 12;
    if (bmp.bits <= 8) {
        const std::uint64_t most = std::uint64_t{1} << bmp.bits;
        if (bmp.colors > most) return Reason::corrupt;
        const std::uint64_t entry_size = bmp.header_size == core_size ? 3 : 4;
        pixels_from += entry_size * (bmp.colors == 0 ? most : bmp.colors);
    }
    if (bmp.pixel_offset < pixels_from) return Reason::corrupt;
    if (bmp.compression == rle8 || bmp.compression == rle4) {
        if (bmp.pixel_bytes < 2) return Reason::corrupt;
        return file.has(bmp.pixel_offset, bmp.pixel_bytes) ? Reason::none : Reason::truncated;
    }
    const std::uint64_t row_bytes = (bmp.width * bmp.bits + 31) / 32 * 4;
    if (!file.has(bmp.pixel_offset, 0)) return Reason::truncated;
    // Divided, not multiplied: no pair of sides can overflow it.
    return (file.size - bmp.pixel_offset) / row_bytes >= bmp.height ? Reason::none
                                                                    : Reason::truncated;
}

Reason check(Bytes file, const Limits& limits, ImageHeader& header) noexcept {
    if (!file.has(0, file_header_size + 4)) return Reason::truncated;
    const std::uint64_t header_size = file.little_endian(14, 4);
    if (header_size != core_size && header_size < info_size) {
        return header_size == 16 ? Reason::unsupported : Reason::corrupt;
    }
    if (!file.has(0, file_header_size + (header_size == core_size ? core_size : info_size))) {
        return Reason::truncated;
    }
    BmpHeader bmp = header_size == core_size ? read_core(file) : read_info(file);
    bmp.header_size = header_size;
    bmp.pixel_offset = file.little_endian(10, 4);
    const Reason sides = set_sides(header, bmp.width, bmp.height, limits);
    if (sides != Reason::none) return sides;
    if (bmp.planes != 1) return Reason::corrupt;
    const Reason kind = check_kind(file, bmp, header);
    return kind == Reason::none ? check_layout(file, bmp) : kind;
}

}  // namespace

void inspect_bmp(Bytes file, const Limits& limits, ImageHeader& header) noexcept {
    header.reason = check(file, limits, header);
}

}  // namespace bloodcell::formats
