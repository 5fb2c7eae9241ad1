// Brings a region of an image to the network's side as DALI's graph of the card does it.
//
// The same arithmetic in the same order as nvidia-dali 2.4 on a CPU (`fn.resize` with `roi_start`,
// `roi_end` and `antialias`), so that the pixels are the same; docs/embedding-c.md has the
// comparison. Linear: where the region is larger than the side, and antialiasing asked for, a
// triangle as wide as two steps of the output, else between neighbours.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bloodcell {

// 8-bit RGB, rows `stride` bytes apart; borrowed.
struct RgbImage {
    const std::uint8_t* pixels;
    int width;
    int height;
    std::size_t stride;
};

// region: share of each side around the centre, above 0 to 1. Returns side x side x 3 levels,
// rounded to the nearest, halves to even. Throws std::bad_alloc.
std::vector<std::uint8_t> resampled(const RgbImage& image, double region, bool antialias, int side);

}  // namespace bloodcell
