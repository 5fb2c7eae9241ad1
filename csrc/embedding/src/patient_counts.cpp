#include "patient_counts.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string_view>

#include "bloodcell/binomial_interval.hpp"
#include "bloodcell/blast_bins.hpp"
#include "bloodcell/mixture_fit.hpp"
#include "bloodcell/reviewed_share.hpp"
#include "failure.hpp"

namespace bloodcell {

namespace {

// Chow's rule, see bloodcell/unidentified.py, which has the same number.
constexpr float least_top_probability = 0.5f;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

template <typename Is>
std::int64_t total_of(const std::vector<std::int64_t>& class_counts, const Is& is) {
    std::int64_t total = 0;
    for (std::size_t c = 0; c < class_counts.size(); ++c) total += is(c) ? class_counts[c] : 0;
    return total;
}

void add_naive(bloodcell_report& report) {
    report.blast_percent_naive = report.blast_percent_naive_low = report.blast_percent_naive_high =
        nan;
    if (report.denominator == 0) return;
    const Interval interval = clopper_pearson(report.blasts_counted, report.denominator);
    report.blast_percent_naive = 100.0 * static_cast<double>(report.blasts_counted) /
                                 static_cast<double>(report.denominator);
    report.blast_percent_naive_low = 100.0 * interval.low;
    report.blast_percent_naive_high = 100.0 * interval.high;
}

// Everything but whether the network may be trusted with this patient's scores.
bloodcell_adjustment adjustment_of(const bloodcell_report& report, const Model& model,
                                   const std::int64_t* histogram) {
    const auto& error_model = model.card().error_model;
    // The last word, since most cells are of who knows what.
    if (2 * report.unstained > report.scored) return BLOODCELL_LACKS_STAIN;
    if (!error_model) return BLOODCELL_NO_ERROR_MODEL;
    if (error_model->profile != model.counting().profile ||
        error_model->blast_equivalents != model.counting().blast_equivalents) {
        return BLOODCELL_OTHER_COUNTING;
    }
    if (std::all_of(histogram, histogram + blast_bins, [](auto n) { return n == 0; })) {
        return BLOODCELL_NO_LEUKOCYTES;
    }
    const MixtureFit fit = fit_mixture(error_model->gate, histogram);
    if (fit.misfit > error_model->misfit_limit) return BLOODCELL_MISFIT;
    if (fit.shift > error_model->shift_limit) return BLOODCELL_SHIFTED;
    return BLOODCELL_ADJUSTED;
}

void add_adjusted(bloodcell_report& report, const Model& model, const std::int64_t* histogram) {
    report.adjustment = adjustment_of(report, model, histogram);
    report.sufficient = 0;
    report.blast_percent = report.blast_percent_low = report.blast_percent_high = nan;
    std::fill(std::begin(report.bands), std::end(report.bands), nan);
    if (report.adjustment != BLOODCELL_ADJUSTED) return;
    const ReviewedShare share = estimated_share(model.card().error_model->recalibration, histogram);
    report.blast_percent = 100.0 * share.share;
    report.blast_percent_low = 100.0 * share.low;
    report.blast_percent_high = 100.0 * share.high;
    std::copy(share.bands.begin(), share.bands.end(), std::begin(report.bands));
    report.sufficient = 100.0 * (share.high - share.low) <= model.counting().interval_width ? 1 : 0;
}

void add_other_cells(bloodcell_report& report, const Scheme& scheme,
                     const std::vector<std::int64_t>& class_counts) {
    const auto count = [&](const std::string& role) {
        return total_of(class_counts,
                        [&](std::size_t c) { return scheme.classes[c].role == role; });
    };
    const std::int64_t leukocytes = count("blast") + count("leukocyte");
    const auto per_100 = [&](const std::string& role) {
        if (leukocytes == 0) return nan;
        return 100.0 * static_cast<double>(count(role)) / static_cast<double>(leukocytes);
    };
    report.erythroid_per_100 = per_100("erythroid");
    report.excluded_per_100 = per_100("excluded");
    report.unidentified_per_100 = per_100("unidentified");
}

bool is_unidentified(const float* probabilities, std::size_t classes) {
    return *std::max_element(probabilities, probabilities + classes) < least_top_probability;
}

std::string place_text(std::size_t i, std::int64_t row) {
    return "cell " + std::to_string(i) + " (row " + std::to_string(row) + ")";
}

}  // namespace

std::int64_t PatientCounts::Patient::cells() const {
    const auto& in_batches = accumulator.rejected();
    return std::accumulate(in_batches.begin(), in_batches.end(), accumulator.scored(0)) +
           std::accumulate(rejected.begin(), rejected.end(), std::int64_t{0});
}

PatientCounts::Patient PatientCounts::fresh() const {
    return {Accumulator(1, model_->roles(), 1), 0, 0, {}};
}

void PatientCounts::check_open(const std::string& patient) const {
    const auto found = patients_.find(patient);
    if (found != patients_.end() && found->second == nullptr) {
        throw Failure(BLOODCELL_FINISHED,
                      "the patient is finished: cells that come later need "
                      "another name, or other counts");
    }
}

// Counts what `part` counted.
void PatientCounts::take(const std::string& patient, const Patient& part) {
    const std::lock_guard<std::mutex> lock(mutex_);
    check_open(patient);
    auto found = patients_.find(patient);
    const std::int64_t so_far = found == patients_.end() ? 0 : found->second->cells();
    if (part.cells() > Accumulator::max_cells - so_far) {
        throw bad_argument("a patient has at most 2^62 cells");
    }
    if (found == patients_.end()) {
        found = patients_.emplace(patient, std::make_unique<Patient>(fresh())).first;
    }
    Patient& whole = *found->second;
    whole.accumulator.merge(part.accumulator);
    whole.unstained += part.unstained;
    whole.unidentified += part.unidentified;
    std::transform(part.rejected.begin(), part.rejected.end(), whole.rejected.begin(),
                   whole.rejected.begin(), std::plus<>());
}

// Throws std::invalid_argument unless the cell is what bloodcell_score makes of its probabilities.
void PatientCounts::check_scored(const bloodcell_cell& cell, const float* probabilities) const {
    const std::size_t classes = model_->roles().size();
    constexpr double step = 1.0 / probability_one;
    if (cell.row < 0) throw std::invalid_argument("row is negative");
    for (std::size_t c = 0; c < classes; ++c) {
        if (probabilities[c] >= 0 && probabilities[c] <= 1) continue;
        throw std::invalid_argument("probability of class " + std::to_string(c) + " is " +
                                    std::to_string(probabilities[c]) + ", not 0 to 1");
    }
    // Each is rounded to a multiple of a step, by at most half of one; twice that is allowed.
    const double sum = std::accumulate(probabilities, probabilities + classes, 0.0);
    if (std::abs(sum - 1.0) > static_cast<double>(classes) * step) {
        throw std::invalid_argument("its probabilities sum to " + std::to_string(sum) + ", not 1");
    }
    bloodcell_cell expected{};
    model_->call(probabilities, expected);
    if (cell.class_index != expected.class_index) {
        throw std::invalid_argument("class_index is " + std::to_string(cell.class_index) +
                                    ", by its probabilities " +
                                    std::to_string(expected.class_index));
    }
    const double off = static_cast<double>(cell.blast_probability) - expected.blast_probability;
    if (!(std::abs(off) <= step)) {
        throw std::invalid_argument(
            "blast_probability is " + std::to_string(cell.blast_probability) +
            ", by its probabilities " + std::to_string(expected.blast_probability));
    }
}

void PatientCounts::add(const std::string& patient, const bloodcell_cell* cells,
                        const float* probabilities, std::size_t count) {
    const std::size_t classes = model_->roles().size();
    Patient part = fresh();
    constexpr std::int32_t own = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const bloodcell_cell& cell = cells[i];
        if (cell.reason < 0 || cell.reason >= BLOODCELL_REASONS) {
            throw bad_argument(place_text(i, cell.row) + ": reason is 0 to 10, not " +
                               std::to_string(cell.reason));
        }
        const auto reason = static_cast<std::uint8_t>(cell.reason);
        try {
            if (reason != 0) {
                part.accumulator.reject(&own, &reason, 1);
            } else {
                const float* const own_probabilities = probabilities + i * classes;
                check_scored(cell, own_probabilities);
                part.accumulator.add(&own, &cell.row, own_probabilities, 1);
                part.unstained += cell.stained == 0 ? 1 : 0;
                part.unidentified += is_unidentified(own_probabilities, classes) ? 1 : 0;
            }
        } catch (const std::invalid_argument& wrong) {
            throw bad_argument(place_text(i, cell.row) + ": " + wrong.what());
        }
    }
    take(patient, part);
}

void PatientCounts::reject(const std::string& patient, std::int32_t reason, std::int64_t count) {
    if (reason <= 0 || reason >= BLOODCELL_REASONS) {
        throw bad_argument("reason is 1 to 10, not " + std::to_string(reason));
    }
    if (count < 0) throw bad_argument("count is 0 or more, not " + std::to_string(count));
    Patient part = fresh();
    part.rejected[static_cast<std::size_t>(reason)] = count;
    take(patient, part);
}

PatientCounts::Patients::iterator PatientCounts::known(const std::string& patient) {
    check_open(patient);
    const auto found = patients_.find(patient);
    if (found == patients_.end()) {
        throw Failure(BLOODCELL_UNKNOWN_PATIENT, "nothing was added under this patient's name");
    }
    return found;
}

PatientReport PatientCounts::report_of(const std::unique_ptr<Patient>& patient) const {
    const Accumulator& counted = patient->accumulator;
    PatientReport made{{}, counted.class_counts()};
    bloodcell_report& report = made.report;
    const auto& roles = model_->roles();
    std::transform(counted.rejected().begin(), counted.rejected().end(), patient->rejected.begin(),
                   std::begin(report.rejected_by_reason), std::plus<>());
    report.scored = counted.scored(0);
    report.cells = patient->cells();
    report.rejected = report.cells - report.scored;
    report.unstained = patient->unstained;
    report.unidentified = patient->unidentified;
    report.denominator =
        total_of(made.class_counts, [&](std::size_t c) { return roles[c].leukocyte; });
    report.blasts_counted =
        total_of(made.class_counts, [&](std::size_t c) { return roles[c].blast; });
    add_naive(report);
    add_adjusted(report, *model_, counted.blast_histogram().data());
    add_other_cells(report, model_->scheme(), made.class_counts);
    return made;
}

}  // namespace bloodcell
