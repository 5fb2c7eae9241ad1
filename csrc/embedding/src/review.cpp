#include "review.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "bloodcell/blast_bins.hpp"
#include "bloodcell/reviewed_share.hpp"
#include "bloodcell/sample_share.hpp"
#include "failure.hpp"

namespace bloodcell {

namespace {

// A cell that the network called a leukocyte.
struct Leukocyte {
    std::size_t bin;
    bool drawn = false;
    const ClassRole* answer = nullptr;
};

struct Patient {
    std::map<std::int64_t, Leukocyte> leukocytes;  // by row: sums are taken in this order
    std::int64_t known = 0;                        // leukocytes answered that nobody drew
    std::int64_t known_blasts = 0;
    double blasts = 0;  // of all answers
    double others = 0;
};

std::string row_text(std::int64_t row) { return "row " + std::to_string(row); }

// Rows of all cells that were scored; the leukocytes go into `patient`.
std::set<std::int64_t> take_cells(const Model& model, const bloodcell_review_input& input,
                                  Patient& patient) {
    std::set<std::int64_t> rows;
    const auto classes = static_cast<std::int32_t>(model.roles().size());
    for (std::size_t i = 0; i < input.cell_count; ++i) {
        const bloodcell_cell& cell = input.cells[i];
        if (cell.reason != 0) continue;
        if (cell.class_index < 0 || cell.class_index >= classes ||
            !(cell.blast_probability >= 0 && cell.blast_probability <= 1)) {
            throw bad_argument("cells: " + row_text(cell.row) +
                               " is not as bloodcell_score gave it");
        }
        if (!rows.insert(cell.row).second) {
            throw bad_argument("cells: " + row_text(cell.row) + " is there twice");
        }
        if (!model.roles()[static_cast<std::size_t>(cell.class_index)].leukocyte) continue;
        const auto steps = static_cast<std::size_t>(
            std::nearbyint(static_cast<double>(cell.blast_probability) * probability_one));
        patient.leukocytes[cell.row].bin = blast_bin_table()[steps];
    }
    return rows;
}

void take_drawn(const bloodcell_review_input& input, Patient& patient) {
    for (std::size_t i = 0; i < input.drawn_count; ++i) {
        const auto found = patient.leukocytes.find(input.drawn[i]);
        if (found == patient.leukocytes.end() || found->second.drawn) {
            throw bad_argument(
                "drawn: " + row_text(input.drawn[i]) +
                " is there twice, or of no cell that the network called a leukocyte");
        }
        found->second.drawn = true;
    }
}

void take_answers(const Model& model, const bloodcell_review_input& input,
                  const std::set<std::int64_t>& rows, Patient& patient) {
    std::set<std::int64_t> answered;
    for (std::size_t i = 0; i < input.answer_count; ++i) {
        const bloodcell_answer& answer = input.answers[i];
        if (answer.class_index < 0 ||
            static_cast<std::size_t>(answer.class_index) >= model.roles().size()) {
            throw bad_argument("answers: " + row_text(answer.row) + " has the class " +
                               std::to_string(answer.class_index) + ", which there is not");
        }
        if (rows.count(answer.row) == 0 || !answered.insert(answer.row).second) {
            throw bad_argument("answers: " + row_text(answer.row) +
                               " is there twice, or of no cell that was scored");
        }
        const ClassRole& role = model.roles()[static_cast<std::size_t>(answer.class_index)];
        const bool is_other = role.leukocyte && !role.blast;
        patient.blasts += role.blast ? 1 : 0;
        patient.others += is_other ? 1 : 0;
        const auto found = patient.leukocytes.find(answer.row);
        const bool was_drawn = found != patient.leukocytes.end() && found->second.drawn;
        if (found != patient.leukocytes.end()) found->second.answer = &role;
        if (!was_drawn) {
            patient.known += role.leukocyte ? 1 : 0;
            patient.known_blasts += role.blast ? 1 : 0;
        }
    }
}

std::vector<Stratum> sample_of(const Patient& patient) {
    std::vector<Stratum> sample(strata, Stratum{0, 0, 0, 0});
    for (const auto& [row, cell] : patient.leukocytes) {
        if (cell.answer != nullptr && !cell.drawn) continue;
        Stratum& stratum = sample[stratum_of(cell.bin)];
        ++stratum.cells;
        if (cell.answer == nullptr) continue;
        ++stratum.seen;
        stratum.blasts += cell.answer->blast ? 1 : 0;
        stratum.others += cell.answer->leukocyte && !cell.answer->blast ? 1 : 0;
    }
    return sample;
}

ReviewedShare by_model(const RecalibrationPrior& prior, const Patient& patient,
                       const std::vector<Stratum>& sample) {
    std::array<std::int64_t, blast_bins> histogram{};
    std::array<std::int64_t, blast_bins> unseen{};
    for (const auto& [row, cell] : patient.leukocytes) {
        ++histogram[cell.bin];
        if (cell.answer == nullptr) ++unseen[cell.bin];
    }
    Recalibration recalibration(prior, histogram.data());
    for (const auto& [row, cell] : patient.leukocytes) {
        if (cell.drawn && cell.answer != nullptr && cell.answer->leukocyte) {
            recalibration.see(cell.bin, cell.answer->blast);
        }
    }
    return reviewed_share(recalibration, unseen_bins(unseen.data(), sample), patient.blasts,
                          patient.others);
}

template <typename Share>
bloodcell_reviewed result_of(const Share& share, bool is_by_model, std::size_t looked_at) {
    bloodcell_reviewed result{};
    result.blast_percent = 100 * share.share;
    result.blast_percent_low = 100 * share.low;
    result.blast_percent_high = 100 * share.high;
    std::copy(share.bands.begin(), share.bands.end(), std::begin(result.bands));
    result.by_model = is_by_model ? 1 : 0;
    result.cells_looked_at = static_cast<std::int64_t>(looked_at);
    return result;
}

}  // namespace

bloodcell_reviewed reviewed(const Model& model, const bloodcell_review_input& input) {
    Patient patient;
    const auto rows = take_cells(model, input, patient);
    take_drawn(input, patient);
    take_answers(model, input, rows, patient);
    const auto sample = sample_of(patient);
    const SampleShare alone = sample_share(sample, patient.known, patient.known_blasts);
    const auto& error_model = model.card().error_model;
    const bool is_trusted = input.adjustment == BLOODCELL_ADJUSTED && error_model.has_value();
    if (is_trusted && alone.share >= 0 && !patient.leukocytes.empty()) {
        const ReviewedShare share = by_model(error_model->recalibration, patient, sample);
        if (!(share.surprise < least_surprise)) return result_of(share, true, input.answer_count);
    }
    return result_of(alone, false, input.answer_count);
}

}  // namespace bloodcell
