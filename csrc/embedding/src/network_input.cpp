#include "network_input.hpp"

#include <algorithm>
#include <cmath>

namespace bloodcell {

namespace {

constexpr int samples_per_side = 16;
constexpr std::int64_t samples = samples_per_side * samples_per_side;

// Of one image, times `samples` squared.
struct Moments {
    std::int64_t product = 0, first = 0, second = 0;

    void take(std::int64_t a, std::int64_t b) {
        product += a * b;
        first += a;
        second += b;
    }
    std::int64_t covariance() const { return samples * product - first * second; }
};

}  // namespace

bool network_input(const RgbImage& image, const Preprocessing& preprocessing, float* pixels) {
    const int side = preprocessing.input_px;
    const auto levels = resampled(image, preprocessing.region, preprocessing.antialias, side);
    const std::size_t count = levels.size() / 3;
    for (std::size_t channel = 0; channel < 3; ++channel) {
        // DALI's order: the mean is taken off, then the product with the inverse.
        const auto mean = static_cast<float>(255.0 * preprocessing.mean[channel]);
        const float inverse = 1.0F / static_cast<float>(255.0 * preprocessing.std[channel]);
        for (std::size_t i = 0; i < count; ++i) {
            *pixels++ = (static_cast<float>(levels[3 * i + channel]) - mean) * inverse;
        }
    }
    return is_stained(levels.data(), side);
}

bool is_stained(const std::uint8_t* levels, int side) {
    std::array<std::int64_t, 3> sum{};
    Moments brightness, blueness;
    const float step = static_cast<float>(side) / samples_per_side;
    const auto place = [step, side](int i) {
        const int at = static_cast<int>(std::floor((static_cast<float>(i) + 0.5F) * step));
        return static_cast<std::size_t>(std::min(at, side - 1));
    };
    for (int y = 0; y < samples_per_side; ++y) {
        for (int x = 0; x < samples_per_side; ++x) {
            const auto* rgb = levels + 3 * (place(y) * static_cast<std::size_t>(side) + place(x));
            const std::int64_t level = rgb[0] + rgb[1] + rgb[2];
            for (std::size_t channel = 0; channel < 3; ++channel) sum[channel] += rgb[channel];
            brightness.take(level, level);
            blueness.take(rgb[0] - rgb[2], level);
        }
    }
    std::array<double, 3> mean{};
    for (std::size_t channel = 0; channel < 3; ++channel) {
        mean[channel] = static_cast<double>(sum[channel]) / static_cast<double>(samples) / 255.0;
    }
    const double level = (mean[0] + mean[1] + mean[2]) / 3.0;
    return level >= 0.35 && level <= 0.93 && mean[0] - mean[1] >= 0.02 &&
           static_cast<double>(3 * blueness.covariance()) >
               0.05 * static_cast<double>(brightness.covariance());
}

}  // namespace bloodcell
