// The header gate: which encoded images may go to the decoder, decided from their bytes alone.
//
// A decoder that meets a bad image fails the whole batch, aborts the process or, worst, returns
// wrong pixels. The gate looks only at structure (markers, chunks, directories), so it costs
// microseconds; rotten pixel data inside a sound structure is the decoder's to find.
//
// Two decoders are meant: DALI, which is fast, and Pillow, which knows kinds that DALI refuses or
// gets wrong and rewrites them for it (engine/rewriting.py).
#pragma once

#include <cstddef>
#include <cstdint>

#include "bloodcell/reason.hpp"

namespace bloodcell {

enum class Format : std::uint8_t { unknown = 0, jpeg, tiff, png, bmp };

inline constexpr const char* format_names[] = {"unknown", "jpeg", "tiff", "png", "bmp"};

struct Limits {
    // Pixels; an image with a shorter side is no cell. 0 and 1 are the same: 0 px is corrupt.
    std::uint32_t min_side_px = 16;
    // Pixels; bounds the memory that a decoder takes on the word of a header.
    std::uint32_t max_side_px = 4096;
    // Bytes; a larger file is not even read. 0 rejects every file.
    std::uint64_t max_file_bytes = std::uint64_t{256} << 20;
    // Whether the codes of a JPEG are followed to their end, which takes longer than all else.
    bool follows_codes = true;
};

struct ImageHeader {
    Reason reason = Reason::not_an_image;
    Format format = Format::unknown;
    // Pixels as stored, before any turn by an EXIF orientation; 0 where they are not known.
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    // DALI does not get it right, Pillow does. Only said of an image that passes, like the next.
    bool needs_rewriting = false;
    // Its samples have 16 bits, of which it may use but a few.
    bool is_deep = false;
    // A TIFF that is packed without loss: of a broken one DALI takes what it gets.
    bool is_packed = false;
};

// Looks at one whole encoded file. Any bytes are safe to pass, `data` may be null if `size` is 0;
// nothing is allocated, and no work is done in proportion to what a header claims.
ImageHeader inspect(const std::uint8_t* data, std::size_t size, const Limits& limits) noexcept;

}  // namespace bloodcell
