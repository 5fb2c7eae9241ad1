#include "card.hpp"

#include <algorithm>
#include <cmath>

#include "failure.hpp"
#include "toml_reading.hpp"

namespace bloodcell {

namespace {

std::array<double, 3> rgb_of(const Entry& entry, bool may_be_zero) {
    std::array<double, 3> values{};
    const auto numbers = numbers_of(entry, values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (numbers[i] < 0 || (numbers[i] == 0 && !may_be_zero)) {
            refuse(entry, may_be_zero ? "numbers of 0 or more are" : "numbers above 0 are");
        }
        values[i] = numbers[i];
    }
    return values;
}

Preprocessing preprocessing_of(const toml::table& table) {
    const std::string name = "preprocessing";
    check_keys(table, name, {"input_px", "region", "interpolation", "antialias", "mean", "std"});
    const Entry side = entry_of(table, "input_px", name);
    const Entry region = entry_of(table, "region", name);
    const Entry interpolation = entry_of(table, "interpolation", name);
    const std::string kind = text_of(interpolation);
    if (kind == "cubic" || kind == "triangular" || kind == "lanczos3") {
        refuse(interpolation, "'" + kind + "' is not implemented in this library: 'linear' is");
    }
    if (kind != "linear") refuse(interpolation, "'linear' is");
    const double input_px = positive_of(side);
    if (input_px != std::floor(input_px) || input_px > 4096) {
        refuse(side, "a whole number of 1 to 4096 is");
    }
    if (positive_of(region) > 1) refuse(region, "at most 1 is");
    return {static_cast<int>(input_px), positive_of(region),
            truth_of(entry_of(table, "antialias", name)),
            rgb_of(entry_of(table, "mean", name), true),
            rgb_of(entry_of(table, "std", name), false)};
}

Shape shape_of(const Entry& entry) {
    const auto masses = numbers_of(entry, shape_bins);
    const bool has_mass = std::any_of(masses.begin(), masses.end(), [](double m) { return m > 0; });
    const bool is_negative =
        std::any_of(masses.begin(), masses.end(), [](double m) { return m < 0; });
    if (is_negative || !has_mass) refuse(entry, "56 numbers of 0 or more are");
    return Shape(masses);
}

RecalibrationPrior recalibration_of(const toml::table& table) {
    const std::string name = "error_model.recalibration";
    check_keys(table, name,
               {"intercept", "log_slope", "intercept_scale", "log_slope_scale", "correlation",
                "worth_cells"});
    const auto number = [&](const char* key) { return number_of(entry_of(table, key, name)); };
    RecalibrationPrior prior{};
    const auto intercept = numbers_of(entry_of(table, "intercept", name), curve_features);
    const auto log_slope = numbers_of(entry_of(table, "log_slope", name), curve_features);
    std::copy(intercept.begin(), intercept.end(), prior.intercept.begin());
    std::copy(log_slope.begin(), log_slope.end(), prior.log_slope.begin());
    prior.intercept_scale = number("intercept_scale");
    prior.log_slope_scale = number("log_slope_scale");
    prior.correlation = number("correlation");
    prior.worth_cells = number("worth_cells");
    prior.check();
    return prior;
}

std::string one_of(const Entry& entry, const std::vector<std::string>& known) {
    const std::string value = text_of(entry);
    if (std::find(known.begin(), known.end(), value) == known.end()) {
        std::string names;
        for (const std::string& name : known) names += (names.empty() ? "" : ", ") + name;
        refuse(entry, "one of " + names + " is");
    }
    return value;
}

ErrorModel error_model_of(const toml::table& table) {
    const std::string name = "error_model";
    check_keys(table, name,
               {"blast_shape", "other_shape", "blast_scale", "other_scale", "tail", "worth_cells",
                "misfit_limit", "shift_limit", "profile", "blast_equivalents", "patients", "cells",
                "blasts", "held_out", "recalibration"});
    const auto entry = [&](const char* key) { return entry_of(table, key, name); };
    const auto positive = [&](const char* key) { return positive_of(entry(key)); };
    for (const char* key : {"patients", "cells", "blasts"}) positive(key);
    const double tail = positive("tail");
    ErrorModel model{ShiftModel{shape_of(entry("blast_shape")), shape_of(entry("other_shape")),
                                Spread{positive("blast_scale"), tail},
                                Spread{positive("other_scale"), tail}, positive("worth_cells")},
                     recalibration_of(table_of(entry("recalibration"))),
                     number_of(entry("misfit_limit")),
                     positive("shift_limit"),
                     one_of(entry("profile"), {"blood", "marrow"}),
                     one_of(entry("blast_equivalents"), {"none", "aml", "apl"})};
    model.gate.check();
    return model;
}

Smears smears_of(const toml::table& table) {
    const std::string name = "smears";
    check_keys(table, name,
               {"means", "whitening", "limit", "patients", "cells", "largest_held_out", "rests_on",
                "made_by"});
    const auto entry = [&](const char* key) { return entry_of(table, key, name); };
    for (const char* key : {"patients", "cells", "largest_held_out"}) positive_of(entry(key));
    for (const char* key : {"rests_on", "made_by"}) text_of(entry(key));
    Smears smears{};
    const auto means = numbers_of(entry("means"), smears.means.size());
    const auto whitening = numbers_of(entry("whitening"), smears.whitening.size());
    std::copy(means.begin(), means.end(), smears.means.begin());
    std::copy(whitening.begin(), whitening.end(), smears.whitening.begin());
    smears.limit = positive_of(entry("limit"));
    return smears;
}

std::vector<double> prior_ratios_of(const Entry& entry, std::size_t classes) {
    // As `refit_differential` writes it where no class has cells enough.
    if (array_of(entry).empty()) return {};
    std::vector<double> ratios = numbers_of(entry, classes);
    for (const double ratio : ratios) {
        if (ratio < 0) refuse(entry, "numbers of 0 or more are");
    }
    return ratios;
}

Card card_of(const toml::table& table) {
    const toml::table& calibration = table_of(entry_of(table, "calibration"));
    Card card{text_of(entry_of(table, "name")),
              text_of(entry_of(table, "version")),
              text_of(entry_of(table, "scheme")),
              std::nullopt,
              std::nullopt,
              texts_of(entry_of(table, "classes")),
              text_of(entry_of(table, "weights_sha256")),
              preprocessing_of(table_of(entry_of(table, "preprocessing"))),
              positive_of(entry_of(calibration, "temperature", "calibration")),
              {},
              // Cards that say nothing are of versions that had DALI's pixels only.
              "dali",
              std::nullopt,
              std::nullopt};
    if (calibration.contains("pixels")) {
        card.calibrated_on =
            one_of(entry_of(calibration, "pixels", "calibration"), {"dali", "bloodcell"});
    }
    if (calibration.contains("prior_ratios")) {
        card.prior_ratios = prior_ratios_of(entry_of(calibration, "prior_ratios", "calibration"),
                                            card.classes.size());
    }
    if (table.contains("scheme_sha256")) {
        card.scheme_sha256 = text_of(entry_of(table, "scheme_sha256"));
    }
    if (table.contains("label_map_sha256")) {
        card.label_map_sha256 = text_of(entry_of(table, "label_map_sha256"));
    }
    if (table.contains("error_model")) {
        card.error_model = error_model_of(table_of(entry_of(table, "error_model")));
    }
    if (table.contains("smears")) card.smears = smears_of(table_of(entry_of(table, "smears")));
    return card;
}

}  // namespace

Card read_card(std::string_view text, const std::string& file) {
    const toml::table table = parsed_toml(text, file);
    try {
        return card_of(table);
    } catch (const Failure& failure) {
        throw bad_model(file + " " + failure.what());
    } catch (const std::invalid_argument& wrong) {
        throw bad_model(file + " has a wrong entry: " + wrong.what());
    }
}

}  // namespace bloodcell
