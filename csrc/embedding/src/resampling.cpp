#include "resampling.hpp"

#include <algorithm>
#include <cmath>

namespace bloodcell {

namespace {

constexpr int channels = 3;

// Which pixels of one axis make an output's pixel, and how much each counts.
struct Axis {
    int pixels;  // of the image
    int first;   // of those that count for some output
    int count;   // of these
    int support;
    float origin;
    float scale;
    float filter_scale;
    float anchor;
};

struct Taps {
    std::vector<int> first;      // of each output, may lie outside of the image
    std::vector<float> weights;  // `support` of each output
};

// Floats throughout, as DALI has them: doubles would move sums across the border of a rounding.
Axis axis_of(int pixels, double region, bool antialias, int side) {
    const double margin = (1.0 - region) / 2.0;
    const float begin = static_cast<float>(margin) * static_cast<float>(pixels);
    const float end = static_cast<float>(1.0 - margin) * static_cast<float>(pixels);
    const float extent = end - begin;
    const auto out = static_cast<float>(side);
    const float radius = antialias && extent > out ? extent / out : 1.0F;
    Axis axis{};
    axis.pixels = pixels;
    axis.filter_scale = 2.0F / (2.0F * radius);
    axis.anchor = 1.0F / axis.filter_scale;
    axis.support = static_cast<int>(std::ceil(2.0F / axis.filter_scale));
    axis.origin = begin;
    axis.scale = extent / out;
    const float low = begin - axis.anchor;
    const float high = end - axis.anchor + static_cast<float>(axis.support);
    axis.first = std::clamp(static_cast<int>(std::floor(low)), 0, pixels);
    axis.count = std::clamp(static_cast<int>(std::ceil(high)), 0, pixels) - axis.first;
    return axis;
}

// A triangle over -1 to 3 whose top is at 1.
float triangle(float x) {
    if (!(x > -1.0F) || x >= 3.0F) return 0.0F;
    constexpr float corners[] = {0.0F, 1.0F, 0.0F};
    const int left = static_cast<int>(std::floor(x));
    const float within = x - static_cast<float>(left);
    const float low = left < 0 ? 0.0F : corners[left];
    const float high = left + 1 >= 3 ? 0.0F : corners[left + 1];
    return low + within * (high - low);
}

// is_second: of the pass that sees only the pixels from axis.first on; its coordinates begin there.
Taps taps_of(const Axis& axis, bool is_second, int side) {
    const float shift = is_second ? static_cast<float>(axis.first) : 0.0F;
    const float start = (axis.origin - shift) + (0.5F * axis.scale - 0.5F - axis.anchor);
    Taps taps;
    for (int i = 0; i < side; ++i) {
        const float exact = static_cast<float>(i) * axis.scale + start;
        const int first = static_cast<int>(std::ceil(exact));
        const float ahead = static_cast<float>(first) - exact;
        taps.first.push_back(first);
        float sum = 0.0F;
        for (int k = 0; k < axis.support; ++k) {
            taps.weights.push_back(triangle((static_cast<float>(k) + ahead) * axis.filter_scale));
            sum += taps.weights.back();
        }
        std::for_each(taps.weights.end() - axis.support, taps.weights.end(),
                      [sum](float& weight) { weight /= sum; });
    }
    return taps;
}

// What a pass costs, as DALI reckons it; it takes the cheaper order of the two. That the supports
// stand crosswise is so there too.
float cost(float size, int support, float per_tap) {
    return per_tap * (static_cast<float>(support) * size) + size * 3.0F;
}

bool is_vertical_first(const Axis& x, const Axis& y, int side) {
    const auto out = static_cast<float>(side);
    const auto wide = static_cast<float>(x.count);
    const auto high = static_cast<float>(y.count);
    const float horizontal_first =
        cost(out * high, y.support, 1.4F) + cost(out * out, x.support, 1.0F);
    const float vertical_first =
        cost(wide * out, x.support, 1.0F) + cost(out * out, y.support, 1.4F);
    return vertical_first < horizontal_first;
}

template <typename T>
struct Plane {
    const T* data;
    int width;
    int height;
    std::size_t stride;  // elements
};

template <typename T>
std::vector<float> vertical_pass(const Plane<T>& in, const Taps& taps, int support, int side) {
    const std::size_t row = static_cast<std::size_t>(in.width) * channels;
    std::vector<float> out(row * static_cast<std::size_t>(side), 0.0F);
    for (int y = 0; y < side; ++y) {
        float* const sums = out.data() + static_cast<std::size_t>(y) * row;
        for (int k = 0; k < support; ++k) {
            const int source =
                std::clamp(taps.first[static_cast<std::size_t>(y)] + k, 0, in.height - 1);
            const T* const pixels = in.data + static_cast<std::size_t>(source) * in.stride;
            const float weight = taps.weights[static_cast<std::size_t>(y * support + k)];
            for (std::size_t i = 0; i < row; ++i) {
                sums[i] += weight * static_cast<float>(pixels[i]);
            }
        }
    }
    return out;
}

template <typename T>
std::vector<float> horizontal_pass(const Plane<T>& in, const Taps& taps, int support, int side) {
    const auto row = static_cast<std::size_t>(side) * channels;
    std::vector<float> out(row * static_cast<std::size_t>(in.height));
    for (int y = 0; y < in.height; ++y) {
        const T* const pixels = in.data + static_cast<std::size_t>(y) * in.stride;
        float* target = out.data() + static_cast<std::size_t>(y) * row;
        const float* weight = taps.weights.data();
        for (const int first : taps.first) {
            float red = 0.0F, green = 0.0F, blue = 0.0F;
            for (int k = 0; k < support; ++k) {
                const T* const pixel = pixels + channels * std::clamp(first + k, 0, in.width - 1);
                red += *weight * static_cast<float>(pixel[0]);
                green += *weight * static_cast<float>(pixel[1]);
                blue += *weight * static_cast<float>(pixel[2]);
                ++weight;
            }
            *target++ = red;
            *target++ = green;
            *target++ = blue;
        }
    }
    return out;
}

}  // namespace

std::vector<std::uint8_t> resampled(const RgbImage& image, double region, bool antialias,
                                    int side) {
    const Axis x = axis_of(image.width, region, antialias, side);
    const Axis y = axis_of(image.height, region, antialias, side);
    const bool vertical_first = is_vertical_first(x, y, side);
    const Taps across = taps_of(x, vertical_first, side);
    const Taps down = taps_of(y, !vertical_first, side);
    const auto first = vertical_first ? static_cast<std::size_t>(x.first) * channels
                                      : static_cast<std::size_t>(y.first) * image.stride;
    const Plane<std::uint8_t> part{image.pixels + first, vertical_first ? x.count : image.width,
                                   vertical_first ? image.height : y.count, image.stride};
    std::vector<float> sums;
    if (vertical_first) {
        const auto between = vertical_pass(part, down, y.support, side);
        const auto row = static_cast<std::size_t>(part.width) * channels;
        sums = horizontal_pass<float>({between.data(), part.width, side, row}, across, x.support,
                                      side);
    } else {
        const auto between = horizontal_pass(part, across, x.support, side);
        const auto row = static_cast<std::size_t>(side) * channels;
        sums =
            vertical_pass<float>({between.data(), side, part.height, row}, down, y.support, side);
    }
    std::vector<std::uint8_t> levels(sums.size());
    std::transform(sums.begin(), sums.end(), levels.begin(), [](float sum) {
        return static_cast<std::uint8_t>(std::clamp(std::nearbyint(sum), 0.0F, 255.0F));
    });
    return levels;
}

}  // namespace bloodcell
