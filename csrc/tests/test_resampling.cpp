// Regions brought to the network's side, on images small enough to do by hand.
#include "resampling.hpp"

#include <cstdint>
#include <vector>

#include "check.hpp"
#include "network_input.hpp"

using namespace bloodcell;
using Levels = std::vector<std::uint8_t>;

namespace {

// Gray pixels, `padding` bytes behind each row.
Levels gray(const std::vector<Levels>& rows, std::size_t padding = 0) {
    Levels bytes;
    for (const Levels& row : rows) {
        for (const std::uint8_t level : row) bytes.insert(bytes.end(), 3, level);
        bytes.insert(bytes.end(), padding, 99);
    }
    return bytes;
}

Levels resampled_gray(const std::vector<Levels>& rows, double region, bool antialias, int side,
                      std::size_t padding = 0) {
    const Levels bytes = gray(rows, padding);
    const auto width = static_cast<int>(rows[0].size());
    return resampled(
        {bytes.data(), width, static_cast<int>(rows.size()), rows[0].size() * 3 + padding}, region,
        antialias, side);
}

void test_the_same_size_keeps_the_pixels() {
    const std::vector<Levels> rows{{1, 20, 3}, {40, 5, 60}, {7, 80, 9}};
    CHECK(resampled_gray(rows, 1, true, 3) == gray(rows));
    CHECK(resampled_gray(rows, 1, true, 3, 5) == gray(rows));
}

// Half the size: each pixel is 1/8, 3/8, 3/8, 1/8 of four, those at the edges repeated.
void test_antialiasing_is_a_triangle_as_wide_as_two_steps() {
    const Levels row{0, 0, 80, 80};
    CHECK(resampled_gray({row, row, row, row}, 1, true, 2) == gray({{10, 70}, {10, 70}}));
    CHECK(resampled_gray({{0, 0, 0, 0}, {0, 0, 0, 0}, {80, 80, 80, 80}, {80, 80, 80, 80}}, 1, true,
                         2) == gray({{10, 10}, {70, 70}}));
    // Without: the mean of the two in the middle of each half.
    CHECK(resampled_gray({row, row, row, row}, 1, false, 2) == gray({{0, 80}, {0, 80}}));
}

void test_a_region_is_the_middle_and_looks_beyond_its_edge() {
    const Levels row{200, 0, 80, 200};
    CHECK(resampled_gray({row, row, row, row}, 0.5, true, 2) == gray({{0, 80}, {0, 80}}));
    // Twice as large: a quarter of the next pixel, outside of the region too.
    CHECK(resampled_gray({row, row, row, row}, 0.5, true, 4)[0] == 50);
}

void test_an_image_of_one_colour_stays_so() {
    for (const int side : {1, 7, 16, 50}) {
        const Levels one(std::vector<std::uint8_t>(31, 137));
        const Levels out = resampled_gray(std::vector<Levels>(23, one), 0.7, true, side);
        CHECK(out == Levels(static_cast<std::size_t>(3 * side * side), 137));
    }
}

void test_stain() {
    Levels stained, gray_levels;
    for (int i = 0; i < 16 * 16; ++i) {
        const bool is_nucleus = i % 3 == 0;
        stained.insert(stained.end(), {static_cast<std::uint8_t>(is_nucleus ? 110 : 220),
                                       static_cast<std::uint8_t>(is_nucleus ? 70 : 190),
                                       static_cast<std::uint8_t>(is_nucleus ? 150 : 200)});
        gray_levels.insert(gray_levels.end(), 3, static_cast<std::uint8_t>(is_nucleus ? 90 : 200));
    }
    CHECK(is_stained(stained.data(), 16, {}));
    Smears smears{};  // all whitened to 0: no distance
    CHECK(is_stained(stained.data(), 16, smears));
    smears.whitening.back() = 1;
    smears.means.back() = 1e6;
    smears.limit = 1e3;
    CHECK(!is_stained(stained.data(), 16, smears));
    CHECK(smears.distance(smears.means) == 0);
    CHECK(!is_stained(gray_levels.data(), 16, {}));
    CHECK(!is_stained(Levels(16 * 16 * 3, 0).data(), 16, {}));
}

}  // namespace

int main() {
    test_the_same_size_keeps_the_pixels();
    test_antialiasing_is_a_triangle_as_wide_as_two_steps();
    test_a_region_is_the_middle_and_looks_beyond_its_edge();
    test_an_image_of_one_colour_stays_so();
    test_stain();
    return check_result();
}
