// The network's input of an image, and whether that is of a stained smear.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "resampling.hpp"

namespace bloodcell {

// As the table [preprocessing] of a card states it; engine/preprocessing.py describes it.
struct Preprocessing {
    int input_px;
    double region;
    bool antialias;
    std::array<double, 3> mean;
    std::array<double, 3> std;

    std::size_t elements() const {
        return std::size_t{3} * static_cast<std::size_t>(input_px) *
               static_cast<std::size_t>(input_px);
    }
};

// How the images look that a network learnt from: the table [smears] of a card, as
// engine/staining.py describes it.
struct Smears {
    static constexpr std::size_t looks = 15;
    std::array<double, looks> means;
    std::array<double, looks*(looks + 1) / 2> whitening;
    double limit;

    double distance(const std::array<double, looks>& image) const;
};

// Writes `preprocessing.elements()` floats, channels first; returns whether the image has the light
// and the colours of a stained smear, and looks as `smears` do (engine/staining.py says why these).
bool network_input(const RgbImage& image, const Preprocessing& preprocessing,
                   const std::optional<Smears>& smears, float* pixels);

// levels: side x side x 3.
bool is_stained(const std::uint8_t* levels, int side, const std::optional<Smears>& smears);

}  // namespace bloodcell
