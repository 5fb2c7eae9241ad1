#include "network_input.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace bloodcell {

namespace {

constexpr std::size_t samples_per_side = 16;
constexpr std::int64_t count = samples_per_side * samples_per_side;
constexpr double neighbours = samples_per_side * (samples_per_side - 1);

using Channel = std::array<std::int64_t, count>;

// The levels that are looked at, and what their sums say; as in engine/staining.py.
struct Samples {
    std::array<Channel, 3> channels;
    std::array<std::int64_t, 3> sums{};

    Samples(const std::uint8_t* levels, int side) {
        const float step = static_cast<float>(side) / samples_per_side;
        const auto place = [step, side](std::size_t i) {
            const int at = static_cast<int>(std::floor((static_cast<float>(i) + 0.5F) * step));
            return static_cast<std::size_t>(std::min(at, side - 1));
        };
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t row = place(i / samples_per_side);
            const std::size_t column = place(i % samples_per_side);
            const auto* rgb = levels + 3 * (row * static_cast<std::size_t>(side) + column);
            for (std::size_t channel = 0; channel < 3; ++channel) {
                channels[channel][i] = rgb[channel];
                sums[channel] += rgb[channel];
            }
        }
    }
};

// Times `count` squared.
std::int64_t covariance(const Channel& first, const Channel& second) {
    std::int64_t product = 0, first_sum = 0, second_sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
        product += first[i] * second[i];
        first_sum += first[i];
        second_sum += second[i];
    }
    return count * product - first_sum * second_sum;
}

bool has_light_and_colours(const Samples& samples) {
    std::array<double, 3> mean{};
    for (std::size_t channel = 0; channel < 3; ++channel) {
        mean[channel] =
            static_cast<double>(samples.sums[channel]) / static_cast<double>(count) / 255.0;
    }
    const double level = (mean[0] + mean[1] + mean[2]) / 3.0;
    Channel levels{}, red_over_blue{};
    for (std::size_t i = 0; i < count; ++i) {
        const auto& [red, green, blue] = samples.channels;
        levels[i] = red[i] + green[i] + blue[i];
        red_over_blue[i] = red[i] - blue[i];
    }
    return level >= 0.35 && level <= 0.93 && mean[0] - mean[1] >= 0.02 &&
           static_cast<double>(3 * covariance(red_over_blue, levels)) >
               0.05 * static_cast<double>(covariance(levels, levels));
}

// Of neighbours `apart` places from each other, those at the far edge having none.
double mean_difference(const Channel& channel, std::size_t apart) {
    std::int64_t sum = 0;
    for (std::size_t i = 0; i + apart < count; ++i) {
        if (apart == 1 && (i + 1) % samples_per_side == 0) continue;
        sum += std::abs(channel[i + apart] - channel[i]);
    }
    return static_cast<double>(sum) / neighbours;
}

double tied(const Channel& first, const Channel& second, std::int64_t product) {
    const std::int64_t together = covariance(first, second);
    const std::int64_t left =
        std::max({product - together * together, product / 1000, std::int64_t{1}});
    return static_cast<double>(together) / std::sqrt(static_cast<double>(left));
}

std::array<double, Smears::looks> looks_of(const Samples& samples) {
    constexpr std::array<std::array<std::size_t, 2>, 3> pairs{{{0, 1}, {0, 2}, {1, 2}}};
    std::array<std::int64_t, 3> variances{};
    std::array<double, Smears::looks> looks{};
    for (std::size_t i = 0; i < 3; ++i) {
        const Channel& channel = samples.channels[i];
        variances[i] = covariance(channel, channel);
        looks[i] = static_cast<double>(samples.sums[i]) / static_cast<double>(count);
        looks[3 + i] = std::sqrt(static_cast<double>(variances[i])) / static_cast<double>(count);
        looks[9 + i] = mean_difference(channel, samples_per_side);
        looks[12 + i] = mean_difference(channel, 1);
    }
    for (std::size_t i = 0; i < pairs.size(); ++i) {
        const auto [a, b] = pairs[i];
        looks[6 + i] = tied(samples.channels[a], samples.channels[b], variances[a] * variances[b]);
    }
    return looks;
}

}  // namespace

double Smears::distance(const std::array<double, looks>& image) const {
    double squares = 0;
    const double* weight = whitening.data();
    for (std::size_t row = 0; row < looks; ++row) {
        double along = 0;
        for (std::size_t i = 0; i <= row; ++i) along += *weight++ * (image[i] - means[i]);
        squares += along * along;
    }
    return std::sqrt(squares / static_cast<double>(looks));
}

bool network_input(const RgbImage& image, const Preprocessing& preprocessing,
                   const std::optional<Smears>& smears, float* pixels) {
    const int side = preprocessing.input_px;
    const auto levels = resampled(image, preprocessing.region, preprocessing.antialias, side);
    const std::size_t elements = levels.size() / 3;
    for (std::size_t channel = 0; channel < 3; ++channel) {
        // DALI's order: the mean is taken off, then the product with the inverse.
        const auto mean = static_cast<float>(255.0 * preprocessing.mean[channel]);
        const float inverse = 1.0F / static_cast<float>(255.0 * preprocessing.std[channel]);
        for (std::size_t i = 0; i < elements; ++i) {
            *pixels++ = (static_cast<float>(levels[3 * i + channel]) - mean) * inverse;
        }
    }
    return is_stained(levels.data(), side, smears);
}

bool is_stained(const std::uint8_t* levels, int side, const std::optional<Smears>& smears) {
    const Samples samples(levels, side);
    return has_light_and_colours(samples) &&
           (!smears || smears->distance(looks_of(samples)) <= smears->limit);
}

}  // namespace bloodcell
