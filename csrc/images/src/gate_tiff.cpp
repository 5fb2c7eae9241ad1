// TIFF and BigTIFF: which picture the first directory holds, and whether all of it is there
// (TIFF 6.0).
#include <algorithm>
#include <string_view>

#include "tiff_directory.hpp"

namespace bloodcell::formats {
namespace {

using namespace tiff;

constexpr std::uint64_t most_samples = 5;
constexpr std::uint64_t most_tile_side_px = 65536;
constexpr int most_pages = 8;  // so many behind the first are looked at

namespace photo {
enum : std::uint64_t { white_is_zero = 0, black_is_zero, rgb, palette, cmyk = 5, ycbcr, lab = 8 };
}
namespace packing {
enum : std::uint64_t {
    none = 1,
    fax_run_lengths,
    fax_group3,
    fax_group4,
    lzw,
    jpeg = 7,
    deflate = 8,
    packbits = 32773,
    old_deflate = 32946,
    lzma = 34925,
    zstd = 50000,
};
}
namespace extra {
enum : std::uint64_t { unspecified = 0, associated_alpha, unassociated_alpha };
}

// A page that is a smaller copy of another one, or a mask of it.
bool is_other_pages_copy(const Directory& page) noexcept {
    constexpr std::uint64_t reduced = 1, mask = 4, old_reduced = 2;
    return (page.single(new_subfile_type, 0) & (reduced | mask)) != 0 ||
           page.single(subfile_type, 1) == old_reduced;
}

// Whether the text has `key` followed by a number above 1.
bool says_several(std::string_view text, std::string_view key) noexcept {
    const std::size_t at = text.find(key);
    if (at == std::string_view::npos || at + key.size() >= text.size()) return false;
    const char first = text[at + key.size()];
    const std::size_t second_at = at + key.size() + 1;
    const bool has_two =
        second_at < text.size() && text[second_at] >= '0' && text[second_at] <= '9';
    return first > '1' ? first <= '9' : first == '1' && has_two;
}

// Whether PackBits (TIFF 6.0, section 9) unpacks to just `unpacked` bytes: where a count is changed
// the rest is shifted, of which libtiff but drops what does not fit. No run takes more than two
// bytes for each that it gives. Counts that give nothing may be among them, but not beyond that:
// thousands of strips may all lie in the same megabytes of them.
bool has_runs_for(Bytes file, std::uint64_t at, std::uint64_t size,
                  std::uint64_t unpacked) noexcept {
    constexpr std::uint8_t nothing = 0x80;
    const std::uint64_t end = at + std::min(size, 2 * unpacked);
    std::uint64_t bytes = 0;
    while (at < end && bytes < unpacked) {
        const std::uint8_t count = file.data[at];
        bytes += count == nothing ? 0 : count < nothing ? count + 1U : 257U - count;
        at += count == nothing ? 1 : count < nothing ? count + 2U : 2U;
    }
    return bytes == unpacked && at <= end;
}

class TiffPicture {
public:
    TiffPicture(const File& file, const Directory& directory, ImageHeader& header) noexcept
        : file_(file), directory_(directory), header_(header) {}

    // Relies on sides that are good.
    Reason check() noexcept;

private:
    std::uint64_t single(Field field, std::uint64_t absent) const noexcept {
        return directory_.single(field, absent);
    }
    bool has(Field field) const noexcept { return directory_.has(field); }

    Reason check_kind() noexcept;
    bool is_plain() const noexcept;
    bool is_decoded_right() const noexcept;
    bool is_packing_decoded_right() const noexcept;
    bool is_color_decoded_right() const noexcept;
    bool is_rewritten_right() const noexcept;
    bool is_known_to_pillow() const noexcept { return !(file_.is_big_tiff && file_.big_endian); }
    bool is_gray_rewritten_right() const noexcept;
    bool is_packed_without_loss() const noexcept;
    bool is_one_of_several() const noexcept;
    bool has_page_of_same_size() const noexcept;
    Reason check_layout() const noexcept;
    Reason check_segments(Field offsets, Field byte_counts, std::uint64_t across,
                          std::uint64_t segment_width, std::uint64_t segment_height) const noexcept;

    const File& file_;
    const Directory& directory_;
    ImageHeader& header_;
    std::uint64_t samples_ = 1;
    std::uint64_t bits_ = 1;
    std::uint64_t color_ = 0;
    std::uint64_t packing_ = packing::none;
    bool has_planes_ = false;
};

Reason TiffPicture::check() noexcept {
    samples_ = single(samples_per_pixel, 1);
    bits_ = single(bits_per_sample, 1);
    color_ = single(photometric, 0);
    packing_ = single(compression, packing::none);
    has_planes_ = samples_ > 1 && single(planar_configuration, 1) != 1;
    const Reason reason = check_kind();
    return reason == Reason::none ? check_layout() : reason;
}

// What passes here was compared with reference pixels (tests/input/): DALI gets some of the rest
// silently wrong (planes, gray with alpha, white-is-zero in 16 bits), and so does Pillow (gray of
// 16 bits).
Reason TiffPicture::check_kind() noexcept {
    if (samples_ == 0 || bits_ == 0) return Reason::corrupt;
    if (samples_ > most_samples || bits_ > 16 || !is_plain()) return Reason::unsupported;
    if (color_ == photo::palette && bits_ <= 8 &&
        (directory_.count(color_map) != std::uint64_t{3} << bits_ ||
         directory_.value_size(color_map) != 2)) {
        return Reason::corrupt;
    }
    header_.needs_rewriting = !is_decoded_right();
    if (header_.needs_rewriting && !is_rewritten_right()) return Reason::unsupported;
    header_.is_deep = bits_ == 16;
    header_.is_packed = !header_.needs_rewriting && packing_ != packing::none &&
                        packing_ != packing::jpeg && is_known_to_pillow();
    return is_one_of_several() ? Reason::unsupported : Reason::none;
}

bool TiffPicture::is_plain() const noexcept {
    return directory_.is_uniform(bits_per_sample, bits_, samples_) &&
           directory_.is_uniform(sample_format, 1, samples_) && single(predictor, 1) <= 2;
}

bool TiffPicture::is_decoded_right() const noexcept {
    return (bits_ == 8 || bits_ == 16) && !has_planes_ && single(fill_order, 1) == 1 &&
           is_packing_decoded_right() && is_color_decoded_right();
}

bool TiffPicture::is_packing_decoded_right() const noexcept {
    if (packing_ != packing::jpeg) return packing_ != packing::lzma && is_packed_without_loss();
    return bits_ == 8 && (color_ == photo::black_is_zero || color_ == photo::ycbcr ||
                          color_ == photo::cmyk || (color_ == photo::rgb && samples_ == 3));
}

bool TiffPicture::is_packed_without_loss() const noexcept {
    switch (packing_) {
        case packing::none:
        case packing::lzw:
        case packing::deflate:
        case packing::packbits:
        case packing::old_deflate:
        case packing::lzma:
        case packing::zstd: return true;
        default: return false;
    }
}

bool TiffPicture::is_color_decoded_right() const noexcept {
    switch (color_) {
        case photo::white_is_zero: return samples_ == 1 && bits_ == 8 && !has(tile_width);
        case photo::black_is_zero: return samples_ == 1;
        case photo::rgb:  // samples behind the third are dropped
            return samples_ >= 3 && single(extra_samples, 0) != extra::associated_alpha;
        case photo::palette: return samples_ == 1 && bits_ == 8;
        case photo::cmyk: return samples_ == 4 && bits_ == 8;
        case photo::ycbcr: return samples_ == 3 && packing_ == packing::jpeg;
        default: return false;
    }
}

bool TiffPicture::is_rewritten_right() const noexcept {
    if (!is_known_to_pillow()) return false;
    if (color_ == photo::white_is_zero || color_ == photo::black_is_zero ||
        (color_ == photo::palette && samples_ == 1)) {
        return is_gray_rewritten_right();
    }
    if (!is_packed_without_loss() || single(fill_order, 1) != 1) return false;
    const bool is_deep = bits_ == 16;
    if (bits_ != 8 && !is_deep) return false;
    switch (color_) {
        case photo::rgb: return samples_ == 3 || samples_ == 4;
        case photo::palette: return samples_ == 2 && !is_deep && !has_planes_;
        case photo::cmyk: return samples_ == 4;
        case photo::ycbcr:
        case photo::lab: return samples_ == 3 && !is_deep && !has_planes_;
        default: return false;
    }
}

bool TiffPicture::is_gray_rewritten_right() const noexcept {
    if (samples_ == 2) {
        return bits_ == 8 && color_ == photo::black_is_zero && !has_planes_ &&
               is_packed_without_loss() && single(fill_order, 1) == 1 &&
               single(extra_samples, 0) == extra::unassociated_alpha;
    }
    const bool is_fax = packing_ >= packing::fax_run_lengths && packing_ <= packing::fax_group4;
    const bool is_known_order =
        single(fill_order, 1) == 1 || ((is_fax || packing_ == packing::none) && bits_ <= 8);
    return samples_ == 1 && (bits_ == 1 || bits_ == 2 || bits_ == 4 || bits_ == 8) &&
           is_known_order && (is_packed_without_loss() || (is_fax && bits_ == 1));
}

// Whether the first page is but a part of the picture: a smaller copy, a channel or a slice. What
// the whole looks like, TIFF does not say.
bool TiffPicture::is_one_of_several() const noexcept {
    if (is_other_pages_copy(directory_)) return directory_.next() != 0;
    if (samples_ != 1 || bits_ < 8 || color_ == photo::palette) return false;
    const std::string_view text = directory_.description();
    const bool is_imagej = text.substr(0, 7) == "ImageJ=";
    return (is_imagej && says_several(text, "\nimages=")) || says_several(text, "SizeC=\"") ||
           has_page_of_same_size();
}

bool TiffPicture::has_page_of_same_size() const noexcept {
    std::uint64_t at = directory_.next();
    for (int i = 0; i < most_pages && at != 0; ++i) {
        const Directory page(file_, at);
        if (page.reason() != Reason::none) return false;
        if (page.single(image_width, 0) == header_.width &&
            page.single(image_height, 0) == header_.height && !is_other_pages_copy(page)) {
            return true;
        }
        at = page.next();
    }
    return false;
}

Reason TiffPicture::check_layout() const noexcept {
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
Reason TiffPicture::check_segments(Field offsets, Field byte_counts, std::uint64_t across,
                                   std::uint64_t segment_width,
                                   std::uint64_t segment_height) const noexcept {
    const std::uint64_t height = header_.height;
    const std::uint64_t in_plane = across * ((height + segment_height - 1) / segment_height);
    const std::uint64_t total = in_plane * (has_planes_ ? samples_ : 1);
    if (std::min(directory_.count(offsets), directory_.count(byte_counts)) < total) {
        return Reason::corrupt;
    }
    // Of YCbCr a pixel may take less than its samples do.
    const bool is_plain = packing_ == packing::none && color_ != photo::ycbcr;
    const std::uint64_t samples = has_planes_ ? 1 : samples_;
    const std::uint64_t row_bytes = (segment_width * samples * bits_ + 7) / 8;
    for (std::uint64_t i = 0; i < total; ++i) {
        const std::uint64_t bytes = directory_.value(byte_counts, i);
        if (bytes == 0) return Reason::corrupt;
        if (!file_.bytes.has(directory_.value(offsets, i), bytes)) return Reason::truncated;
        // Only the last strip may be shorter; tiles are always whole.
        const std::uint64_t rows =
            offsets == tile_offsets
                ? segment_height
                : std::min(segment_height, height - i % in_plane * segment_height);
        if (is_plain && bytes / row_bytes < rows) return Reason::corrupt;
        if (packing_ == packing::packbits && color_ != photo::ycbcr &&
            !has_runs_for(file_.bytes, directory_.value(offsets, i), bytes, rows * row_bytes)) {
            return Reason::corrupt;
        }
    }
    return Reason::none;
}

Reason check_file(Bytes bytes, const Limits& limits, ImageHeader& header) noexcept {
    File file{bytes, bytes.data[0] == 'M'};
    file.is_big_tiff = file.number(2, 2) == 43;
    const std::uint64_t header_size = file.is_big_tiff ? 16 : 8;
    if (!bytes.has(0, header_size)) return Reason::truncated;
    if (file.is_big_tiff && (file.number(4, 2) != 8 || file.number(6, 2) != 0)) {
        return Reason::corrupt;
    }
    const std::uint64_t at = file.is_big_tiff ? file.number(8, 8) : file.number(4, 4);
    if (at < header_size) return Reason::corrupt;
    const Directory directory(file, at);
    // A cut directory may still have told the sides, and then a bomb is called by its name.
    if (directory.is_readable(image_width) && directory.is_readable(image_height)) {
        const Reason sides = set_sides(header, directory.single(image_width, 0),
                                       directory.single(image_height, 0), limits);
        if (sides != Reason::none) return sides;
    }
    if (directory.reason() != Reason::none) return directory.reason();
    if (directory.is_ambiguous()) return Reason::corrupt;
    const Reason values = directory.check_values();
    if (values != Reason::none) return values;
    // libtiff guesses a missing colour interpretation; a guess is not good enough here.
    if (!directory.has(image_width) || !directory.has(image_height) ||
        !directory.has(photometric)) {
        return Reason::corrupt;
    }
    return TiffPicture(file, directory, header).check();
}

}  // namespace

void inspect_tiff(Bytes file, const Limits& limits, ImageHeader& header) noexcept {
    header.reason = check_file(file, limits, header);
}

}  // namespace bloodcell::formats
