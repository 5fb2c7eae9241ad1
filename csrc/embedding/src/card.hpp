// What a model's card says, checked entry by entry; bloodcell/model.py is the same in Python.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bloodcell/recalibration.hpp"
#include "bloodcell/shift_model.hpp"
#include "network_input.hpp"

namespace bloodcell {

// What adjusted shares rest on, and of whom they hold; bloodcell/error_model/card.py.
struct ErrorModel {
    ShiftModel gate;
    RecalibrationPrior recalibration;
    double misfit_limit;
    double shift_limit;
    std::string profile;
    std::string blast_equivalents;
};

struct Card {
    std::string name;
    std::string version;
    std::string scheme;
    std::optional<std::string> scheme_sha256;     // of the user's own scheme
    std::optional<std::string> label_map_sha256;  // of the scheme it was made for
    std::vector<std::string> classes;
    std::string weights_sha256;
    Preprocessing preprocessing;
    double temperature;
    std::vector<double> prior_ratios;  // one a class, 0 or more, or none; see probabilities.hpp
    std::string calibrated_on;         // whose pixels: dali or bloodcell
    std::optional<ErrorModel> error_model;
    std::optional<Smears> smears;
};

// text: of the file `file`. Throws Failure naming the file and the entry at fault.
Card read_card(std::string_view text, const std::string& file);

}  // namespace bloodcell
