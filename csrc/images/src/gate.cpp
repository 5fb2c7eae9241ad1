#include "bloodcell/gate.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "gate_formats.hpp"

namespace bloodcell {

namespace formats {

Reason set_sides(ImageHeader& header, std::uint64_t width, std::uint64_t height,
                 const Limits& limits) noexcept {
    constexpr std::uint64_t top = std::numeric_limits<std::uint32_t>::max();
    header.width = static_cast<std::uint32_t>(std::min(width, top));
    header.height = static_cast<std::uint32_t>(std::min(height, top));
    if (width == 0 || height == 0) return Reason::corrupt;
    if (std::max(width, height) > limits.max_side_px) return Reason::too_large;
    if (std::min(width, height) < limits.min_side_px) return Reason::too_small;
    return Reason::none;
}

namespace {

bool text_at(Bytes file, std::size_t at, const char* text, std::size_t length) noexcept {
    return file.has(at, length) && std::memcmp(file.data + at, text, length) == 0;
}

Format sniff(Bytes file) noexcept {
    if (text_at(file, 0, "\xFF\xD8", 2)) return Format::jpeg;
    if (text_at(file, 0, "\x89PNG\r\n\x1A\n", 8)) return Format::png;
    if (text_at(file, 0, "BM", 2)) return Format::bmp;
    for (const char* magic : {"II\x2A\0", "MM\0\x2A", "II\x2B\0", "MM\0\x2B"}) {
        if (text_at(file, 0, magic, 4)) return Format::tiff;
    }
    return Format::unknown;
}

// Images that we know of but do not score deserve a better answer than "not an image".
bool is_other_image(Bytes file) noexcept {
    return text_at(file, 0, "GIF8", 4) ||
           (text_at(file, 0, "RIFF", 4) && text_at(file, 8, "WEBP", 4)) ||
           text_at(file, 0, "\0\0\0\x0CjP  ", 8) ||    // JPEG 2000, boxed
           text_at(file, 0, "\xFF\x4F\xFF\x51", 4) ||  // JPEG 2000, bare
           text_at(file, 4, "ftypheic", 8) || text_at(file, 4, "ftypavif", 8);
}

}  // namespace
}  // namespace formats

ImageHeader inspect(const std::uint8_t* data, std::size_t size, const Limits& limits) noexcept {
    const formats::Bytes file{data, size};
    ImageHeader header;
    if (size == 0) {
        header.reason = Reason::empty;
        return header;
    }
    if (size > limits.max_file_bytes) {
        header.reason = Reason::too_large;
        return header;
    }
    header.format = formats::sniff(file);
    switch (header.format) {
        case Format::jpeg: formats::inspect_jpeg(file, limits, header); break;
        case Format::png: formats::inspect_png(file, limits, header); break;
        case Format::bmp: formats::inspect_bmp(file, limits, header); break;
        case Format::tiff: formats::inspect_tiff(file, limits, header); break;
        case Format::unknown:
            header.reason =
                formats::is_other_image(file) ? Reason::unsupported : Reason::not_an_image;
            break;
    }
    return header;
}

}  // namespace bloodcell
