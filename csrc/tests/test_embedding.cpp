// Cards, schemes, digests and probabilities of libbloodcell, and its border against misuse.
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "bloodcell.h"
#include "card.hpp"
#include "check.hpp"
#include "failure.hpp"
#include "probabilities.hpp"
#include "scheme.hpp"
#include "sha256.hpp"

using namespace bloodcell;

namespace {

const std::string card_text = R"(
name = "tiny"
version = "0"
scheme = "jhu18"
classes = ["a", "b"]
weights_sha256 = "00"
[preprocessing]
input_px = 8
region = 0.7
interpolation = "linear"
antialias = true
mean = [0.5, 0.5, 0.5]
std = [1, 1.0, 1.0]
[calibration]
temperature = 1.5
)";

// The card with one piece of it put in another's place.
std::string with(const std::string& piece, const std::string& other) {
    std::string text = card_text;
    return text.replace(text.find(piece), piece.size(), other);
}

// What a Failure says; "" if there is none.
template <typename Action>
std::string failure_of(Action action) {
    try {
        action();
    } catch (const Failure& failure) {
        return failure.what();
    }
    return "";
}

bool refuses_card(const std::string& text, const std::string& part) {
    const auto message = failure_of([&] { read_card(text, "folder/card.toml"); });
    return message.find("folder/card.toml") == 0 && message.find(part) != std::string::npos;
}

// The examples of FIPS 180-2, appendix B, and the lengths around a block's end.
void test_sha256() {
    CHECK(sha256_of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(sha256_of("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(sha256_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    CHECK(sha256_of(std::string(1000000, 'a')) ==
          "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

void test_probabilities() {
    const float logits[] = {0.0F, static_cast<float>(2 * std::log(3.0))};
    float p[2] = {};
    CHECK(calibrated(logits, 2, 2.0, {}, p) && p[0] == 0.25F && p[1] == 0.75F);
    const float far[] = {-1e30F, 1e30F};
    CHECK(calibrated(far, 2, 1.0, {}, p) && p[0] == 0.0F && p[1] == 1.0F);
    const float three[] = {0.0F, static_cast<float>(std::log(3.0)),
                           static_cast<float>(std::log(4.0))};
    float q[3] = {};
    // 1/8, 3/8, 1/2: the first keeps its eighth, of 7/8 the second has 3 * 4 parts of 3 * 4 + 4
    // * 1.
    CHECK(calibrated(three, 3, 1.0, {0, 4, 1}, q) && q[0] == 0.125F && q[1] == 0.65625F &&
          q[2] == 0.21875F);
    const float wrong[] = {0.0F, std::numeric_limits<float>::infinity()};
    CHECK(!calibrated(wrong, 2, 1.0, {}, p) && std::isnan(p[0]) && std::isnan(p[1]));
    CHECK(!calibrated(logits, 2, 1e-310, {}, p) && std::isnan(p[0]) && std::isnan(p[1]));
}

void test_card() {
    const Card card = read_card(card_text, "card.toml");
    CHECK(card.preprocessing.input_px == 8 && card.preprocessing.std[0] == 1);
    CHECK(card.temperature == 1.5 && !card.error_model && card.calibrated_on == "dali");
    CHECK(read_card(with("mean = [0.5, ", "mean = [0, "), "").preprocessing.mean[0] == 0);
    CHECK(read_card(with("temperature = 1.5", "temperature = 2\npixels = \"bloodcell\""), "")
              .calibrated_on == "bloodcell");
}

void test_card_refusals() {
    CHECK(refuses_card(with("name = ", "name = ="), "TOML"));
    CHECK(refuses_card(with("version = \"0\"", ""), "version"));
    CHECK(refuses_card(with("input_px = 8", "input_px = true"), "preprocessing.input_px"));
    for (const char* wrong : {"8.5", "0.5", "4097"}) {
        CHECK(refuses_card(with("input_px = 8", std::string("input_px = ") + wrong),
                           "preprocessing.input_px: a whole number of 1 to 4096"));
    }
    CHECK(refuses_card(with("region = 0.7", "region = 1.2"), "preprocessing.region"));
    CHECK(refuses_card(with("region = 0.7", "region = 0.7\ncrop = 1"), "preprocessing.crop"));
    CHECK(refuses_card(with("\"linear\"", "\"lanczos3\""), "'lanczos3' is not implemented"));
    CHECK(refuses_card(with("mean = [0.5, ", "mean = ["), "preprocessing.mean"));
    CHECK(refuses_card(with("std = [1, ", "std = [0, "), "preprocessing.std"));
    CHECK(refuses_card(with("temperature = 1.5", "temperature = nan"), "calibration.temperature"));
    const auto ratios = [](const std::string& numbers) {
        return with("temperature = 1.5", "temperature = 1.5\nprior_ratios = " + numbers);
    };
    CHECK(read_card(ratios("[0, 2.5]"), "").prior_ratios == std::vector<double>({0, 2.5}));
    CHECK(read_card(ratios("[]"), "").prior_ratios.empty());
    for (const char* wrong : {"[1]", "[1, -1]", "[1, nan]", "1"}) {
        CHECK(refuses_card(ratios(wrong), "calibration.prior_ratios"));
    }
    CHECK(refuses_card(card_text + "[error_model]\ntail = 1", "error_model.blast_shape"));
    CHECK(refuses_card(card_text + "[smears]\nlimit = 1", "smears.means"));
    const auto smears = [](const std::string& limit) {
        return card_text + "[smears]\nmeans = [1]\nwhitening = []\npatients = 10\ncells = 1\n" +
               "largest_held_out = 1\nrests_on = \"\"\nmade_by = \"\"\nlimit = " + limit;
    };
    CHECK(refuses_card(smears("1"), "smears.means"));
    CHECK(refuses_card(smears("1\nmargin = 1"), "smears.margin"));
}

void test_schemes() {
    CHECK(shipped_scheme("jhu18") != nullptr && shipped_scheme("other") == nullptr);
    const Scheme scheme = read_scheme(shipped_scheme("bm21"), "bm21", "bm21");
    CHECK(scheme.classes.size() == 21);
    std::size_t in_blood = 0, in_marrow = 0, apl_blasts = 0;
    for (const ClassRole& role : roles_of(scheme, {"blood", "none", 10}))
        in_blood += role.leukocyte;
    for (const ClassRole& role : roles_of(scheme, {"marrow", "apl", 10})) {
        in_marrow += role.leukocyte;
        apl_blasts += role.blast;
    }
    CHECK(in_marrow > in_blood && apl_blasts > 1);
    const std::string two = "[[class]]\ncode = \"A\"\nname = \"a\"\nrole = \"blast\"\n";
    CHECK(failure_of([&] { read_scheme(two + two, "s.toml", "s"); }).find("two classes") !=
          std::string::npos);
    CHECK(failure_of([&] {
              read_scheme(two + "rolle = \"blast\"", "s.toml", "s");
          }).find("s.toml: class A has the entry 'rolle'") == 0);
    CHECK(failure_of([&] {
              read_scheme("label_map_sha256 = \"00\"\n" + two, "s.toml", "s");
          }).find("s.toml: its label map") == 0);
    const Scheme own = read_scheme(two, "s.toml", "s");
    CHECK(!failure_of([&] { roles_of(own, {"blood", "apl", 10}); }).empty());
}

void test_misuse_of_handles() {
    bloodcell_model* model = nullptr;
    bloodcell_counts* counts = nullptr;
    bloodcell_report report = BLOODCELL_INIT(report);
    CHECK(bloodcell_model_open(nullptr, nullptr, &model) == BLOODCELL_INVALID_ARGUMENT);
    CHECK(bloodcell_model_open("nowhere", nullptr, nullptr) == BLOODCELL_INVALID_ARGUMENT);
    CHECK(bloodcell_model_open("nowhere", nullptr, &model) == BLOODCELL_BAD_MODEL);
    CHECK(model == nullptr && std::string(bloodcell_last_error()).find("nowhere/card.toml") == 0);
    CHECK(bloodcell_model_close(nullptr) == BLOODCELL_INVALID_ARGUMENT);
    CHECK(bloodcell_model_close(reinterpret_cast<bloodcell_model*>(16)) == BLOODCELL_CLOSED);
    CHECK(bloodcell_counts_open(reinterpret_cast<bloodcell_model*>(&report), &counts) ==
          BLOODCELL_CLOSED);
    CHECK(bloodcell_counts_finish(nullptr, "p", &report, nullptr, 0) == BLOODCELL_INVALID_ARGUMENT);
    CHECK(bloodcell_score(nullptr, nullptr, 0, nullptr, nullptr) == BLOODCELL_INVALID_ARGUMENT);
    CHECK(bloodcell_review(nullptr, nullptr, nullptr) == BLOODCELL_INVALID_ARGUMENT);
}

void test_misuse_of_options() {
    bloodcell_model* model = nullptr;
    bloodcell_model_options options = BLOODCELL_INIT(options);
    options.struct_size = 8;
    CHECK(bloodcell_model_open("nowhere", &options, &model) == BLOODCELL_INVALID_ARGUMENT);
    options = BLOODCELL_INIT(options);
    options.profile = "urine";
    CHECK(bloodcell_model_open("nowhere", &options, &model) == BLOODCELL_INVALID_ARGUMENT);
    CHECK(std::string(bloodcell_last_error()) == "profile is one of blood, marrow, not urine");
    options = BLOODCELL_INIT(options);
    options.interval_width = std::numeric_limits<double>::quiet_NaN();
    CHECK(bloodcell_model_open("nowhere", &options, &model) == BLOODCELL_INVALID_ARGUMENT);
}

void test_gate_and_texts() {
    bloodcell_header header = BLOODCELL_INIT(header);
    CHECK(bloodcell_gate(nullptr, 0, &header) == BLOODCELL_OK);
    CHECK(header.reason == BLOODCELL_EMPTY && header.struct_size == sizeof header);
    std::vector<std::uint8_t> wide(54, 0xFF);
    wide[0] = 'B', wide[1] = 'M', wide[14] = 40, wide[15] = wide[16] = wide[17] = 0;
    CHECK(bloodcell_gate(wide.data(), wide.size(), &header) == BLOODCELL_OK);
    CHECK(header.reason == BLOODCELL_TOO_LARGE && header.width == INT32_MAX && header.height == 1);
    CHECK(bloodcell_gate(nullptr, 4, &header) == BLOODCELL_INVALID_ARGUMENT);
    CHECK(bloodcell_gate(nullptr, 0, nullptr) == BLOODCELL_INVALID_ARGUMENT);
    CHECK(std::string(bloodcell_reason_text(BLOODCELL_TRUNCATED)) == "truncated");
    CHECK(std::string(bloodcell_status_text(BLOODCELL_INTERNAL)) == "internal error");
    CHECK(std::string(bloodcell_status_text(-1)) == "unknown");
    CHECK(std::string(bloodcell_adjustment_text(BLOODCELL_SHIFTED)).find("scores lie far") == 0);
    CHECK(bloodcell_abi_version() == BLOODCELL_ABI_VERSION);
}

}  // namespace

int main() {
    test_sha256();
    test_probabilities();
    test_card();
    test_card_refusals();
    test_schemes();
    test_misuse_of_handles();
    test_misuse_of_options();
    test_gate_and_texts();
    return check_result();
}
