// TIFF and BigTIFF: the first directory, and where its strips or tiles lie (TIFF 6.0).
#include <algorithm>
#include <array>

#include "gate_formats.hpp"

namespace bloodcell::formats {
namespace {

enum Field : std::size_t {
    image_width,
    image_height,
    bits_per_sample,
    compression,
    photometric,
    fill_order,
    strip_offsets,
    samples_per_pixel,
    rows_per_strip,
    strip_byte_counts,
    planar_configuration,
    predictor,
    color_map,
    tile_width,
    tile_height,
    tile_offsets,
    tile_byte_counts,
    sample_format,
    field_count,
};

constexpr std::array<std::uint16_t, field_count> tags = {
    256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 339};

// libtiff takes a directory with more entries for garbage.
constexpr std::uint64_t most_entries = 4096;
constexpr std::uint64_t most_samples = 5;
constexpr std::uint64_t most_tile_side_px = 65536;

namespace photo {
enum : std::uint64_t { white_is_zero = 0, black_is_zero, rgb, palette, cmyk = 5, ycbcr };
}
namespace packing {
enum : std::uint64_t {
    none = 1,
    lzw = 5,
    jpeg = 7,
    deflate = 8,
    packbits = 32773,
    old_deflate = 32946,
    zstd = 50000,
};
}

struct Entry {
    std::uint64_t value_size = 0;  // bytes; 0 where the entry's type is not an unsigned integer
    std::uint64_t count = 0;       // 0: the directory lacks the entry
    std::uint64_t at = 0;
};

class TiffDirectory {
public:
    TiffDirectory(Bytes file, const Limits& limits, ImageHeader& header) noexcept
        : file_(file), limits_(limits), header_(header) {}

    Reason check() noexcept;

private:
    std::uint64_t number(std::uint64_t at, std::uint64_t size) const noexcept {
        const auto width = static_cast<unsigned>(size);
        return big_endian_ ? file_.big_endian(at, width) : file_.little_endian(at, width);
    }
    std::uint64_t value(Field field, std::uint64_t index) const noexcept {
        const Entry& entry = entries_[field];
        return number(entry.at + index * entry.value_size, entry.value_size);
    }
    std::uint64_t single(Field field, std::uint64_t absent) const noexcept {
        return is_readable(entries_[field]) ? value(field, 0) : absent;
    }
    bool has(Field field) const noexcept { return entries_[field].count != 0; }
    bool is_readable(const Entry& entry) const noexcept;
    bool is_uniform(Field field, std::uint64_t expected) const noexcept;

    Reason read_header() noexcept;
    Reason read_entries(std::uint64_t at) noexcept;
    void read_entry(std::uint64_t at) noexcept;
    Reason check_values() const noexcept;
    Reason check_kind() const noexcept;
    bool is_supported_packing() const noexcept;
    bool is_supported_color() const noexcept;
    Reason check_layout() const noexcept;
    Reason check_segments(Field offsets, Field byte_counts, std::uint64_t across,
                          std::uint64_t segment_width, std::uint64_t segment_height) const noexcept;

    Bytes file_;
    const Limits& limits_;
    ImageHeader& header_;
    bool big_endian_ = false;
    bool is_big_tiff_ = false;
    bool is_ambiguous_ = false;  // a tag twice: decoders differ on which holds, and one crashed
    std::uint64_t samples_ = 1;
    std::uint64_t bits_ = 1;
    std::array<Entry, field_count> entries_{};
};

Reason TiffDirectory::check() noexcept {
    const Reason directory = read_header();
    // A cut directory may still have told the sides, and then a bomb is called by its name.
    if (is_readable(entries_[image_width]) && is_readable(entries_[image_height])) {
        const Reason sides =
            set_sides(header_, single(image_width, 0), single(image_height, 0), limits_);
        if (sides != Reason::none) return sides;
    }
    if (directory != Reason::none) return directory;
    Reason reason = check_values();
    if (reason != Reason::none) return reason;
    samples_ = single(samples_per_pixel, 1);
    bits_ = single(bits_per_sample, 1);
    reason = check_kind();
    return reason == Reason::none ? check_layout() : reason;
}

Reason TiffDirectory::read_header() noexcept {
    big_endian_ = file_.data[0] == 'M';
    is_big_tiff_ = number(2, 2) == 43;
    const std::uint64_t header_size = is_big_tiff_ ? 16 : 8;
    if (!file_.has(0, header_size)) return Reason::truncated;
    if (is_big_tiff_ && (number(4, 2) != 8 || number(6, 2) != 0)) return Reason::corrupt;
    const std::uint64_t at = is_big_tiff_ ? number(8, 8) : number(4, 4);
    return at < header_size ? Reason::corrupt : read_entries(at);
}

Reason TiffDirectory::read_entries(std::uint64_t at) noexcept {
    const std::uint64_t count_size = is_big_tiff_ ? 8 : 2;
    const std::uint64_t entry_size = is_big_tiff_ ? 20 : 12;
    if (!file_.has(at, count_size)) return Reason::truncated;
    const std::uint64_t count = number(at, count_size);
    if (count == 0 || count > most_entries) return Reason::corrupt;
    at += count_size;
    for (std::uint64_t i = 0; i < count; ++i, at += entry_size) {
        if (!file_.has(at, entry_size)) return Reason::truncated;
        read_entry(at);
    }
    return Reason::none;
}

std::uint64_t size_of_type(std::uint64_t type) noexcept {
    switch (type) {
        case 1: return 1;   // BYTE
        case 3: return 2;   // SHORT
        case 4: return 4;   // LONG
        case 16: return 8;  // LONG8
        default: return 0;
    }
}

void TiffDirectory::read_entry(std::uint64_t at) noexcept {
    const auto* tag = std::find(tags.begin(), tags.end(), number(at, 2));
    if (tag == tags.end()) return;
    const std::uint64_t word = is_big_tiff_ ? 8 : 4;  // bytes of a count and of an offset
    Entry entry;
    entry.value_size = size_of_type(number(at + 2, 2));
    entry.count = number(at + 4, word);
    const std::uint64_t value_at = at + 4 + word;
    // Values that fit stand in the entry itself.
    const bool is_inline = entry.value_size != 0 && entry.count <= word / entry.value_size;
    entry.at = is_inline ? value_at : number(value_at, word);
    Entry& known = entries_[static_cast<std::size_t>(tag - tags.begin())];
    is_ambiguous_ = is_ambiguous_ || known.count != 0;
    known = entry;
}

bool TiffDirectory::is_readable(const Entry& entry) const noexcept {
    return entry.count != 0 && entry.value_size != 0 && entry.count <= file_.size &&
           file_.has(entry.at, entry.count * entry.value_size);
}

Reason TiffDirectory::check_values() const noexcept {
    if (is_ambiguous_) return Reason::corrupt;
    for (const Entry& entry : entries_) {
        if (entry.count == 0) continue;
        if (entry.value_size == 0) return Reason::corrupt;
        if (!is_readable(entry)) return Reason::truncated;
    }
    // libtiff guesses a missing colour interpretation; a guess is not good enough here.
    const bool complete = has(image_width) && has(image_height) && has(photometric);
    return complete ? Reason::none : Reason::corrupt;
}

bool TiffDirectory::is_uniform(Field field, std::uint64_t expected) const noexcept {
    const std::uint64_t count = std::min(entries_[field].count, samples_);
    for (std::uint64_t i = 0; i < count; ++i) {
        if (value(field, i) != expected) return false;
    }
    return true;
}

// What passes here was compared with reference pixels (tests/test_formats.py); the decoder gets
// some of the rest silently wrong: planes, gray with alpha, white-is-zero in 16 bits.
Reason TiffDirectory::check_kind() const noexcept {
    if (samples_ == 0 || bits_ == 0) return Reason::corrupt;
    if (samples_ > most_samples || (bits_ != 8 && bits_ != 16)) return Reason::unsupported;
    const bool is_chunky = samples_ == 1 || single(planar_configuration, 1) == 1;
    const bool is_plain = is_uniform(bits_per_sample, bits_) && is_uniform(sample_format, 1) &&
                          single(fill_order, 1) == 1 && single(predictor, 1) <= 2;
    if (!is_chunky || !is_plain || !is_supported_packing() || !is_supported_color()) {
        return Reason::unsupported;
    }
    const bool lacks_colors =
        single(photometric, 0) == photo::palette &&
        (entries_[color_map].count != 3 * 256 || entries_[color_map].value_size != 2);
    return lacks_colors ? Reason::corrupt : Reason::none;
}

bool TiffDirectory::is_supported_packing() const noexcept {
    switch (single(compression, packing::none)) {
        case packing::none:
        case packing::lzw:
        case packing::deflate:
        case packing::packbits:
        case packing::old_deflate:
        case packing::zstd: return true;
        case packing::jpeg: {
            const std::uint64_t color = single(photometric, 0);
            return bits_ == 8 && (color == photo::black_is_zero || color == photo::ycbcr ||
                                  color == photo::cmyk || (color == photo::rgb && samples_ == 3));
        }
        default: return false;
    }
}

bool TiffDirectory::is_supported_color() const noexcept {
    switch (single(photometric, 0)) {
        case photo::white_is_zero: return samples_ == 1 && bits_ == 8 && !has(tile_width);
        case photo::black_is_zero: return samples_ == 1;
        case photo::rgb: return samples_ >= 3;  // samples behind the third are dropped
        case photo::palette: return samples_ == 1 && bits_ == 8;
        case photo::cmyk: return samples_ == 4 && bits_ == 8;
        case photo::ycbcr: return samples_ == 3 && single(compression, 1) == packing::jpeg;
        default: return false;
    }
}

Reason TiffDirectory::check_layout() const noexcept {
    const std::uint64_t width = header_.width, height = header_.height;
    if (has(tile_width) || has(tile_height)) {
        const std::uint64_t across_px = single(tile_width, 0), down_px = single(tile_height, 0);
        // Multiples of 16, says the specification; it also bounds the number of tiles.
        if (across_px == 0 || down_px == 0 || (across_px | down_px) % 16 != 0 ||
            std::max(across_px, down_px) > most_tile_side_px) {
            return Reason::corrupt;
        }
        const std::uint64_t across = (width + across_px - 1) / across_px;
        return check_segments(tile_offsets, tile_byte_counts, across, across_px, down_px);
    }
    const std::uint64_t rows = std::min(single(rows_per_strip, height), height);
    if (rows == 0) return Reason::corrupt;
    return check_segments(strip_offsets, strip_byte_counts, 1, width, rows);
}

// Every strip or tile lies within the file and, where it is not compressed, holds all its pixels.
Reason TiffDirectory::check_segments(Field offsets, Field byte_counts, std::uint64_t across,
                                     std::uint64_t segment_width,
                                     std::uint64_t segment_height) const noexcept {
    const std::uint64_t height = header_.height;
    const std::uint64_t total = across * ((height + segment_height - 1) / segment_height);
    if (std::min(entries_[offsets].count, entries_[byte_counts].count) < total) {
        return Reason::corrupt;
    }
    const bool is_plain = single(compression, packing::none) == packing::none;
    const std::uint64_t row_bytes = segment_width * samples_ * bits_ / 8;
    for (std::uint64_t i = 0; i < total; ++i) {
        const std::uint64_t bytes = value(byte_counts, i);
        if (bytes == 0) return Reason::corrupt;
        if (!file_.has(value(offsets, i), bytes)) return Reason::truncated;
        // Only the last strip may be shorter; tiles are always whole.
        const std::uint64_t rows = offsets == tile_offsets
                                       ? segment_height
                                       : std::min(segment_height, height - i * segment_height);
        if (is_plain && bytes / row_bytes < rows) return Reason::corrupt;
    }
    return Reason::none;
}

}  // namespace

void inspect_tiff(Bytes file, const Limits& limits, ImageHeader& header) noexcept {
    header.reason = TiffDirectory(file, limits, header).check();
}

}  // namespace bloodcell::formats
