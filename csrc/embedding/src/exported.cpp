// The functions of bloodcell.h: arguments are checked here, the work is done elsewhere.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "bloodcell.h"
#include "bloodcell/gate.hpp"
#include "bloodcell/reason.hpp"
#include "border.hpp"
#include "handles.hpp"
#include "log.hpp"
#include "model.hpp"
#include "patient_counts.hpp"
#include "review.hpp"
#include "utf8.hpp"

namespace {

using namespace bloodcell;

// Bytes that a struct had in the first version of the ABI: a caller that knows fewer is none.
// Structs may grow at their end; those without a struct_size may not.
constexpr std::size_t oldest_options = 48;
constexpr std::size_t oldest_about = 72;
constexpr std::size_t oldest_class = 40;
constexpr std::size_t oldest_header = 32;
constexpr std::size_t oldest_report = 256;
constexpr std::size_t oldest_review_input = 64;
constexpr std::size_t oldest_reviewed = 80;
static_assert(sizeof(bloodcell_model_options) >= oldest_options);
static_assert(sizeof(bloodcell_model_about) >= oldest_about);
static_assert(sizeof(bloodcell_class) >= oldest_class);
static_assert(sizeof(bloodcell_header) >= oldest_header);
static_assert(sizeof(bloodcell_report) >= oldest_report);
static_assert(sizeof(bloodcell_review_input) >= oldest_review_input);
static_assert(sizeof(bloodcell_reviewed) >= oldest_reviewed);
static_assert(sizeof(bloodcell_image) == 32 && sizeof(bloodcell_cell) == 24 &&
              sizeof(bloodcell_answer) == 16);

static_assert(BLOODCELL_REASONS == reason_count);

// Never taken down: a program may call the library while it exits.
Handles<const Model, bloodcell_model>& models() {
    static auto* const all = new Handles<const Model, bloodcell_model>;
    return *all;
}

Handles<PatientCounts, bloodcell_counts>& all_counts() {
    static auto* const all = new Handles<PatientCounts, bloodcell_counts>;
    return *all;
}

std::string one_of(const char* value, const char* name, std::initializer_list<const char*> known) {
    std::string names;
    for (const char* one : known) {
        if (value == nullptr || value == std::string(one)) return one;
        names += (names.empty() ? "" : ", ") + std::string(one);
    }
    throw bad_argument(std::string(name) + " is one of " + names + ", not " + value);
}

ModelOptions options_of(const bloodcell_model_options* given) {
    ModelOptions options;
    if (given == nullptr) return options;
    const auto asked = taken(given, "options", oldest_options);
    if (asked.onnxruntime != nullptr) options.onnxruntime = asked.onnxruntime;
    if (options.onnxruntime.empty()) {
        throw bad_argument("onnxruntime is empty: name a library, or leave it null");
    }
    options.counting.profile = one_of(asked.profile, "profile", {"blood", "marrow"});
    options.counting.blast_equivalents =
        one_of(asked.blast_equivalents, "blast_equivalents", {"none", "aml", "apl"});
    if (asked.threads < 0 || asked.threads > 1024) {
        throw bad_argument("threads is 0 to 1024, not " + std::to_string(asked.threads));
    }
    if (asked.batch_size < 0 || asked.batch_size > 4096) {
        throw bad_argument("batch_size is 0 to 4096, not " + std::to_string(asked.batch_size));
    }
    if (!(asked.interval_width >= 0 && std::isfinite(asked.interval_width))) {
        throw bad_argument("interval_width is a number of 0 or more");
    }
    if (asked.threads > 0) options.threads = asked.threads;
    if (asked.batch_size > 0) options.batch_size = asked.batch_size;
    if (asked.interval_width > 0) options.counting.interval_width = asked.interval_width;
    return options;
}

void check_image(const bloodcell_image& image, std::size_t place) {
    const std::string name = "images[" + std::to_string(place) + "]";
    if (image.pixels == nullptr) throw bad_argument(name + ".pixels is null");
    if (image.width < 1 || image.height < 1) {
        throw bad_argument(name + " is " + std::to_string(image.width) + " x " +
                           std::to_string(image.height) + " pixels, 1 or more are expected");
    }
    const auto least = std::size_t{3} * static_cast<std::size_t>(image.width);
    if (image.stride < least) {
        throw bad_argument(name + ".stride is " + std::to_string(image.stride) + ", " +
                           std::to_string(least) + " bytes or more are expected");
    }
    if (image.row < 0) throw bad_argument(name + ".row is negative");
}

// A header may claim more pixels than the struct can say.
std::int32_t side_of(std::uint32_t px) {
    constexpr std::uint32_t most = std::numeric_limits<std::int32_t>::max();
    return static_cast<std::int32_t>(std::min(px, most));
}

std::string patient_of(const char* patient) {
    const std::string name = &checked(patient, "patient");
    if (name.empty()) throw bad_argument("patient is empty");
    if (!is_utf8(name)) throw bad_argument("patient is not UTF-8");
    return name;
}

int give_report(const bloodcell_counts* counts, const char* patient, bool is_last,
                bloodcell_report* report, std::int64_t* class_counts, std::size_t class_capacity) {
    return guarded([&] {
        checked_size(report, "report", oldest_report);
        const auto kept = all_counts().get(counts);
        kept->report(patient_of(patient), is_last, [&](const PatientReport& made) {
            if (class_counts != nullptr) {
                if (class_capacity < made.class_counts.size()) {
                    throw Failure(BLOODCELL_BUFFER_TOO_SMALL,
                                  "class_counts has room for " + std::to_string(class_capacity) +
                                      ", there are " + std::to_string(made.class_counts.size()) +
                                      " classes");
                }
                std::copy(made.class_counts.begin(), made.class_counts.end(), class_counts);
            }
            give(made.report, report, "report", oldest_report);
        });
    });
}

}  // namespace

extern "C" {

int bloodcell_set_log(bloodcell_log_function log, void* user) {
    return guarded([&] { set_log(log, user); });
}

int bloodcell_model_open(const char* folder, const bloodcell_model_options* options,
                         bloodcell_model** model) {
    return guarded([&] {
        checked(folder, "folder");
        checked(model, "model");
        *model = models().add(std::make_shared<const Model>(folder, options_of(options)));
    });
}

int bloodcell_model_close(bloodcell_model* model) {
    return guarded([&] { models().close(model); });
}

int bloodcell_model_describe(const bloodcell_model* model, bloodcell_model_about* about) {
    return guarded([&] {
        const auto open = models().get(model);
        const Card& card = open->card();
        give({0, card.name.c_str(), card.version.c_str(), card.scheme.c_str(),
              card.weights_sha256.c_str(), card.calibrated_on.c_str(),
              open->runtime_version().c_str(), card.preprocessing.input_px,
              static_cast<std::int32_t>(open->roles().size()), card.error_model ? 1 : 0},
             about, "about", oldest_about);
    });
}

int bloodcell_model_class(const bloodcell_model* model, int32_t index, bloodcell_class* described) {
    return guarded([&] {
        const auto open = models().get(model);
        const auto place = static_cast<std::size_t>(index);
        if (index < 0 || place >= open->roles().size()) {
            throw bad_argument("index is 0 to " + std::to_string(open->roles().size() - 1) +
                               ", not " + std::to_string(index));
        }
        const CellClass& one = open->scheme().classes[place];
        const ClassRole& role = open->roles()[place];
        give({0, one.code.c_str(), one.name.c_str(), one.role.c_str(), role.blast ? 1 : 0,
              role.leukocyte ? 1 : 0},
             described, "described", oldest_class);
    });
}

int bloodcell_score(const bloodcell_model* model, const bloodcell_image* images, size_t count,
                    bloodcell_cell* cells, float* probabilities) {
    return guarded([&] {
        const auto open = models().get(model);
        check_array(images, count, "images");
        check_array(cells, count, "cells");
        for (std::size_t i = 0; i < count; ++i) check_image(images[i], i);
        open->score(images, count, cells, probabilities);
    });
}

int bloodcell_network_input(const bloodcell_model* model, const bloodcell_image* image,
                            float* pixels, size_t capacity) {
    return guarded([&] {
        const auto open = models().get(model);
        check_image(checked(image, "image"), 0);
        const auto longer = static_cast<std::uint32_t>(std::max(image->width, image->height));
        if (longer > Limits{}.max_side_px) {
            throw bad_argument("image has a side of " + std::to_string(longer) + " pixels, " +
                               std::to_string(Limits{}.max_side_px) + " or fewer are expected");
        }
        checked(pixels, "pixels");
        const Preprocessing& preprocessing = open->card().preprocessing;
        if (capacity < preprocessing.elements()) {
            throw Failure(BLOODCELL_BUFFER_TOO_SMALL,
                          "pixels has room for " + std::to_string(capacity) + ", there are " +
                              std::to_string(preprocessing.elements()));
        }
        network_input({image->pixels, image->width, image->height, image->stride}, preprocessing,
                      open->card().smears, pixels);
    });
}

int bloodcell_gate(const uint8_t* bytes, size_t size, bloodcell_header* header) {
    return guarded([&] {
        if (size > 0) checked(bytes, "bytes");
        const ImageHeader seen = inspect(bytes, size, Limits{});
        give({0, static_cast<std::int32_t>(seen.reason),
              format_names[static_cast<std::size_t>(seen.format)], side_of(seen.width),
              side_of(seen.height)},
             header, "header", oldest_header);
    });
}

int bloodcell_counts_open(const bloodcell_model* model, bloodcell_counts** counts) {
    return guarded([&] {
        checked(counts, "counts");
        *counts = all_counts().add(std::make_shared<PatientCounts>(models().get(model)));
    });
}

int bloodcell_counts_close(bloodcell_counts* counts) {
    return guarded([&] { all_counts().close(counts); });
}

int bloodcell_counts_add(bloodcell_counts* counts, const char* patient, const bloodcell_cell* cells,
                         const float* probabilities, size_t count) {
    return guarded([&] {
        const auto kept = all_counts().get(counts);
        check_array(cells, count, "cells");
        check_array(probabilities, count, "probabilities");
        kept->add(patient_of(patient), cells, probabilities, count);
    });
}

int bloodcell_counts_reject(bloodcell_counts* counts, const char* patient, int32_t reason,
                            int64_t count) {
    return guarded([&] { all_counts().get(counts)->reject(patient_of(patient), reason, count); });
}

int bloodcell_counts_snapshot(const bloodcell_counts* counts, const char* patient,
                              bloodcell_report* report, int64_t* class_counts,
                              size_t class_capacity) {
    return give_report(counts, patient, false, report, class_counts, class_capacity);
}

int bloodcell_counts_finish(bloodcell_counts* counts, const char* patient, bloodcell_report* report,
                            int64_t* class_counts, size_t class_capacity) {
    return give_report(counts, patient, true, report, class_counts, class_capacity);
}

int bloodcell_review(const bloodcell_model* model, const bloodcell_review_input* input,
                     bloodcell_reviewed* reviewed) {
    return guarded([&] {
        const auto open = models().get(model);
        const auto given = taken(input, "input", oldest_review_input);
        checked_size(reviewed, "reviewed", oldest_reviewed);
        check_array(given.cells, given.cell_count, "cells");
        check_array(given.drawn, given.drawn_count, "drawn");
        check_array(given.answers, given.answer_count, "answers");
        give(bloodcell::reviewed(*open, given), reviewed, "reviewed", oldest_reviewed);
    });
}

}  // extern "C"
