// One directory of a TIFF or BigTIFF: its entries and their values; internal to csrc/src.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "gate_formats.hpp"

namespace bloodcell::formats::tiff {

enum Field : std::size_t {
    new_subfile_type,
    subfile_type,
    image_width,
    image_height,
    bits_per_sample,
    compression,
    photometric,
    fill_order,
    image_description,
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
    extra_samples,
    sample_format,
    field_count,
};

// What a file's first bytes say of all the others.
struct File {
    Bytes bytes;
    bool big_endian = false;
    bool is_big_tiff = false;

    std::uint64_t number(std::uint64_t at, std::uint64_t size) const noexcept {
        const auto width = static_cast<unsigned>(size);
        return big_endian ? bytes.big_endian(at, width) : bytes.little_endian(at, width);
    }
};

class Directory {
public:
    Directory(const File& file, std::uint64_t at) noexcept : file_(file) { reason_ = read(at); }

    // Why its entries could not all be read.
    Reason reason() const noexcept { return reason_; }
    // Where the next directory begins; 0 if there is none.
    std::uint64_t next() const noexcept { return next_; }
    // A tag is there twice: decoders differ on which holds, and one crashed.
    bool is_ambiguous() const noexcept { return is_ambiguous_; }
    // Why its values cannot all be read.
    Reason check_values() const noexcept;

    std::uint64_t count(Field field) const noexcept { return entries_[field].count; }
    bool has(Field field) const noexcept { return count(field) != 0; }
    // Bytes of one value; 0 if it is no unsigned integer.
    std::uint64_t value_size(Field field) const noexcept { return entries_[field].value_size; }
    // All its values are unsigned integers that lie within the file.
    bool is_readable(Field field) const noexcept;
    // Only for a field that is readable.
    std::uint64_t value(Field field, std::uint64_t index) const noexcept {
        const Entry& entry = entries_[field];
        return file_.number(entry.at + index * entry.value_size, entry.value_size);
    }
    std::uint64_t single(Field field, std::uint64_t absent) const noexcept {
        return is_readable(field) ? value(field, 0) : absent;
    }
    // The first `most` values, as far as there are any, are all the expected one.
    bool is_uniform(Field field, std::uint64_t expected, std::uint64_t most) const noexcept;
    // The text of the image description, cut at 64 KiB; empty if there is none.
    std::string_view description() const noexcept;

private:
    struct Entry {
        std::uint64_t value_size = 0;  // bytes; 0 where the type is not an unsigned integer
        std::uint64_t count = 0;       // 0: the directory lacks the entry
        std::uint64_t at = 0;
    };

    Reason read(std::uint64_t at) noexcept;
    void read_entry(std::uint64_t at) noexcept;

    File file_;
    Reason reason_ = Reason::none;
    std::uint64_t next_ = 0;
    bool is_ambiguous_ = false;
    std::array<Entry, field_count> entries_{};
};

}  // namespace bloodcell::formats::tiff
