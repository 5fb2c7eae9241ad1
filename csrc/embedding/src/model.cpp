#include "model.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>

#include "bloodcell/blast_bins.hpp"
#include "bloodcell/gate.hpp"
#include "failure.hpp"
#include "probabilities.hpp"
#include "sha256.hpp"

namespace bloodcell {

namespace {

// Whole; Failure naming the file, and what to do if it is missing.
std::string read_whole(const std::string& path) {
    struct stat status{};
    if (stat(path.c_str(), &status) != 0) {
        throw bad_model(path + " cannot be read (" + std::strerror(errno) +
                        "): a model folder holds card.toml and model.onnx");
    }
    if (!S_ISREG(status.st_mode)) throw bad_model(path + " is no file");
    std::ifstream file(path, std::ios::binary);
    std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    if (!file.good() && !file.eof()) throw bad_model(path + " cannot be read");
    if (static_cast<std::size_t>(status.st_size) != bytes.size()) {
        throw bad_model(path + " cannot be read whole");
    }
    return bytes;
}

Scheme scheme_of(const std::string& folder, const Card& card) {
    if (!card.scheme_sha256) {
        const char* const text = shipped_scheme(card.scheme);
        if (text == nullptr) {
            throw bad_model(folder + "/card.toml: scheme '" + card.scheme +
                            "' is none that comes with bloodcell, and the card states no "
                            "scheme_sha256 of one of its own");
        }
        return read_scheme(text, card.scheme, card.scheme);
    }
    const std::string path = folder + "/scheme.toml";
    const std::string text = read_whole(path);
    if (sha256_of(text) != *card.scheme_sha256) {
        throw bad_model(path + " is not the scheme that the card states");
    }
    return read_scheme(text, path, card.scheme);
}

Scheme checked_scheme(const std::string& folder, const Card& card) {
    Scheme scheme = scheme_of(folder, card);
    if (scheme.codes() != card.classes) {
        throw bad_model(folder + "/card.toml: the classes are not those of scheme '" + scheme.name +
                        "' in its order");
    }
    if (card.label_map_sha256 && *card.label_map_sha256 != scheme.label_map_sha256()) {
        throw bad_model(folder +
                        "/card.toml: the network was made for another label map than that "
                        "of scheme '" +
                        scheme.name + "': a class had another name or role");
    }
    return scheme;
}

std::string checked_weights(const std::string& path, const std::string& expected) {
    std::string bytes = read_whole(path);
    const std::string actual = sha256_of(bytes);
    if (actual != expected) {
        throw bad_model(path + " is not the file its card describes: SHA-256 " + actual +
                        ", the card says " + expected +
                        ". Restore the file or take the model folder anew.");
    }
    return bytes;
}

Reason reason_of(const bloodcell_image& image) {
    const Limits limits;
    const auto shorter = static_cast<std::uint32_t>(std::min(image.width, image.height));
    const auto longer = static_cast<std::uint32_t>(std::max(image.width, image.height));
    if (shorter < limits.min_side_px) return Reason::too_small;
    if (longer > limits.max_side_px) return Reason::too_large;
    return Reason::none;
}

bloodcell_cell rejected_cell(std::int64_t row, Reason reason) {
    return {row, static_cast<std::int32_t>(reason), -1, std::numeric_limits<float>::quiet_NaN(), 0};
}

}  // namespace

Model::Model(const std::string& folder, ModelOptions options)
    : options_(std::move(options)),
      card_(read_card(read_whole(folder + "/card.toml"), folder + "/card.toml")),
      scheme_(checked_scheme(folder, card_)),
      roles_(roles_of(scheme_, options_.counting)),
      caller_(roles_),
      network_(options_.onnxruntime, checked_weights(folder + "/model.onnx", card_.weights_sha256),
               folder + "/model.onnx", {card_.preprocessing.input_px, scheme_.classes.size()},
               options_.threads) {}

void Model::score(const bloodcell_image* images, std::size_t count, bloodcell_cell* cells,
                  float* probabilities) const {
    const std::size_t classes = roles_.size();
    const std::size_t elements = card_.preprocessing.elements();
    const auto batch = static_cast<std::size_t>(options_.batch_size);
    constexpr float nan = std::numeric_limits<float>::quiet_NaN();
    std::vector<bloodcell_cell> found;
    std::vector<float> scored(count * classes, nan);
    std::vector<float> pixels(std::min(batch, count) * elements);
    std::vector<std::size_t> places;  // of the images whose pixels wait
    const auto run = [&] {
        const auto logits = network_.logits(pixels.data(), places.size());
        for (std::size_t i = 0; i < places.size(); ++i) {
            float* const own = scored.data() + places[i] * classes;
            if (!calibrated(logits.data() + i * classes, classes, card_.temperature,
                            card_.prior_ratios, own)) {
                throw bad_model("the network gave logits that are no numbers for row " +
                                std::to_string(images[places[i]].row) +
                                ": its weights or the card's preprocessing are at fault");
            }
            call(own, found[places[i]]);
        }
        places.clear();
    };
    for (std::size_t i = 0; i < count; ++i) {
        const Reason reason = reason_of(images[i]);
        found.push_back(rejected_cell(images[i].row, reason));
        if (reason != Reason::none) continue;
        const RgbImage image{images[i].pixels, images[i].width, images[i].height, images[i].stride};
        float* const own = pixels.data() + places.size() * elements;
        found.back().stained = network_input(image, card_.preprocessing, card_.smears, own) ? 1 : 0;
        places.push_back(i);
        if (places.size() == batch) run();
    }
    if (!places.empty()) run();
    std::copy(found.begin(), found.end(), cells);
    if (probabilities != nullptr) std::copy(scored.begin(), scored.end(), probabilities);
}

void Model::call(const float* probabilities, bloodcell_cell& cell) const {
    CellCall called{};
    caller_.call(probabilities, 1, &called);
    cell.class_index = static_cast<std::int32_t>(called_class(called));
    cell.blast_probability =
        static_cast<float>(blast_probability(called)) / static_cast<float>(probability_one);
}

}  // namespace bloodcell
