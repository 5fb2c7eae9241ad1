#include "bloodcell/accumulator.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <sstream>
#include <stdexcept>

namespace bloodcell {
namespace {

// Throws std::invalid_argument with the parts written one after the other.
template <typename... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
    std::ostringstream message;
    message.precision(9);  // tells any two floats apart
    (message << ... << parts);
    throw std::invalid_argument(message.str());
}

void check_range(const char* what, int value, int low, int high) {
    if (value < low || value > high) {
        refuse("expected ", low, " to ", high, " ", what, ", found ", value);
    }
}

// Position of the first value that is negative or not below the limit; `count` if there is none.
template <typename Integer>
std::size_t first_outside(const Integer* values, std::size_t count, std::uint64_t limit) {
    const Integer* const outside = std::find_if(values, values + count, [limit](Integer value) {
        return static_cast<std::uint64_t>(value) >= limit;  // negative ones become huge
    });
    return static_cast<std::size_t>(outside - values);
}

[[noreturn]] void refuse_patient(std::size_t cell, std::int32_t index, std::size_t patients) {
    if (patients == 0) {
        refuse("cell ", cell, ": patient index ", index, ", expected none: there are 0 patients");
    }
    refuse("cell ", cell, ": patient index ", index, ", expected 0 to ", patients - 1);
}

// Whether cells are worth an accumulator of their own, of about 1 KiB a patient. They are not in a
// scoring run, whose calls are far smaller.
bool worth_counting_apart(std::size_t cells, std::size_t patients) {
    return cells >= std::max(std::size_t{1} << 18, 256 * patients);
}

void add_each(std::vector<std::int64_t>& sums, const std::vector<std::int64_t>& terms) {
    std::transform(sums.begin(), sums.end(), terms.begin(), sums.begin(), std::plus<>());
}

bool same_roles(const std::vector<ClassRole>& a, const std::vector<ClassRole>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](ClassRole x, ClassRole y) {
        return x.blast == y.blast && x.leukocyte == y.leukocyte;
    });
}

}  // namespace

Accumulator::Accumulator(int patients, const std::vector<ClassRole>& roles,
                         int suspicious_per_patient)
    : patients_(static_cast<std::size_t>(patients)),
      roles_(roles),
      kept_(static_cast<std::size_t>(suspicious_per_patient)),
      caller_(roles) {
    if (patients < 0) {
        refuse("expected 0 or more patients, found ", patients);
    }
    if (roles.empty() || roles.size() > max_classes) {
        refuse("expected 1 to ", max_classes, " classes, found ", roles.size());
    }
    check_range("suspicious cells per patient", suspicious_per_patient, 1, max_suspicious);
    for (std::size_t c = 0; c < roles.size(); ++c) {
        if (roles[c].blast && !roles[c].leukocyte) {
            refuse("class ", c, " is a blast class, expected it to be a leukocyte class too");
        }
    }
    class_counts_.resize(patients_ * roles_.size());
    blast_histogram_.resize(patients_ * blast_bins);
    rejected_.resize(patients_ * reason_count);
    suspects_.resize(patients_ * kept_);
}

void Accumulator::add(const std::int32_t* patient_index, const std::int64_t* row,
                      const float* probabilities, std::size_t cells) {
    const Cells all{patient_index, row, probabilities};
    // Either way nothing changes before all cells are checked: add_range checks its own first, and
    // blocks are counted apart from this accumulator.
    if (worth_counting_apart(cells, patients_)) {
        merge(counted(all, cells));
    } else {
        add_range(all, 0, cells);
    }
}

// An accumulator like this one, of these cells only.
Accumulator Accumulator::counted(const Cells& cells, std::size_t count) const {
    constexpr std::size_t block = 16384;  // counted while its calls are in the cache
    Accumulator sum(static_cast<int>(patients_), roles_, static_cast<int>(kept_));
    for (std::size_t begin = 0; begin < count; begin += block) {
        sum.add_range(cells, begin, std::min(begin + block, count));
    }
    return sum;
}

void Accumulator::add_range(const Cells& cells, std::size_t begin, std::size_t end) {
    // Everything that can fail happens here; it takes 4 bytes a cell until the function returns.
    const Calls calls = checked_calls(cells, begin, end);
    const BlastBinTable& bins = blast_bin_table();
    for (std::size_t i = begin; i < end; ++i) {
        const auto patient = static_cast<std::size_t>(cells.patient_index[i]);
        const std::size_t called = called_class(calls[i - begin]);
        const std::uint32_t blast = blast_probability(calls[i - begin]);
        // Adding 0 or 1 instead of branching: whether a cell is a leukocyte is hard to predict.
        const bool leukocyte = roles_[called].leukocyte;
        ++class_counts_[patient * roles_.size() + called];
        blast_histogram_[patient * blast_bins + bins[blast]] += leukocyte;
        const Suspect& least = suspects_[patient * kept_ + kept_ - 1];
        if (leukocyte & (blast >= least.blast_probability)) {  // rare; only now is the row read
            keep(patient, {blast, cells.row[i]});
        }
    }
}

Accumulator::Calls Accumulator::checked_calls(const Cells& cells, std::size_t begin,
                                              std::size_t end) const {
    const std::size_t count = end - begin;
    const float* const probabilities = cells.probabilities + begin * classes();
    Calls calls(new CellCall[count]);  // not value-initialised: every call is written once
    const std::size_t bad_patient = first_outside(cells.patient_index + begin, count, patients_);
    const std::size_t bad_row = first_outside(cells.row + begin, count, std::uint64_t{1} << 63);
    const auto bad_probability = caller_.call(probabilities, count, calls.get());
    const std::size_t bad_cell = bad_probability ? *bad_probability / classes() : count;
    const std::size_t first = std::min({bad_patient, bad_row, bad_cell});
    if (first == count) {
        return calls;
    }
    const std::size_t cell = begin + first;
    if (first == bad_patient) {
        refuse_patient(cell, cells.patient_index[cell], patients_);
    }
    if (first == bad_row) {
        refuse("cell ", cell, ": row ", cells.row[cell], ", expected 0 or more");
    }
    refuse("cell ", cell, " (row ", cells.row[cell], "): probability of class ",
           *bad_probability % classes(), " is ", probabilities[*bad_probability],
           ", expected 0 to 1");
}

// The kept cells of a patient stay sorted and as many: the least suspicious falls out.
void Accumulator::keep(std::size_t patient, Suspect candidate) {
    Suspect* const begin = suspects_.data() + patient * kept_;
    Suspect* const end = begin + kept_;
    if (!more_suspicious(candidate, end[-1])) {
        return;
    }
    Suspect* const place = std::upper_bound(begin, end, candidate, more_suspicious);
    std::move_backward(place, end - 1, end);
    *place = candidate;
}

void Accumulator::reject(const std::int32_t* patient_index, const std::uint8_t* reason,
                         std::size_t cells) {
    const std::size_t bad_patient = first_outside(patient_index, cells, patients_);
    const std::size_t bad_reason = static_cast<std::size_t>(
        std::find_if(reason, reason + cells,
                     [](std::uint8_t r) { return r == 0 || r >= reason_count; }) -
        reason);
    if (std::min(bad_patient, bad_reason) < cells) {
        if (bad_patient <= bad_reason) {
            refuse_patient(bad_patient, patient_index[bad_patient], patients_);
        }
        refuse("cell ", bad_reason, ": reason ", static_cast<int>(reason[bad_reason]),
               ", expected 1 to ", reason_count - 1);
    }
    for (std::size_t i = 0; i < cells; ++i) {
        ++rejected_[static_cast<std::size_t>(patient_index[i]) * reason_count + reason[i]];
    }
}

void Accumulator::merge(const Accumulator& other) {
    check_mergeable(other);
    std::vector<Suspect> both(2 * kept_);  // also what makes merging with itself safe
    for (std::size_t begin = 0; begin < suspects_.size(); begin += kept_) {
        const Suspect* const mine = suspects_.data() + begin;
        const Suspect* const theirs = other.suspects_.data() + begin;
        std::merge(mine, mine + kept_, theirs, theirs + kept_, both.data(), more_suspicious);
        std::copy_n(both.data(), kept_, suspects_.data() + begin);
    }
    add_each(class_counts_, other.class_counts_);
    add_each(blast_histogram_, other.blast_histogram_);
    add_each(rejected_, other.rejected_);
}

void Accumulator::check_mergeable(const Accumulator& other) const {
    if (patients_ != other.patients_) {
        refuse("expected ", patients_, " patients, found ", other.patients_);
    }
    if (classes() != other.classes()) {
        refuse("expected ", classes(), " classes, found ", other.classes());
    }
    if (!same_roles(roles_, other.roles_)) {
        refuse("expected the same blast and leukocyte classes, found others");
    }
    if (kept_ != other.kept_) {
        refuse("expected ", kept_, " suspicious cells per patient, found ", other.kept_);
    }
    for (std::size_t patient = 0; patient < patients_; ++patient) {
        if (scored(patient) > max_cells - other.scored(patient) ||
            rejected_total(patient) > max_cells - other.rejected_total(patient)) {
            refuse("patient ", patient, ": expected at most ", max_cells, " cells in all");
        }
    }
}

std::int64_t Accumulator::scored(std::size_t patient) const {
    const auto first = class_counts_.begin() + static_cast<std::ptrdiff_t>(patient * classes());
    return std::accumulate(first, first + static_cast<std::ptrdiff_t>(classes()), std::int64_t{0});
}

std::int64_t Accumulator::rejected_total(std::size_t patient) const {
    const auto first = rejected_.begin() + static_cast<std::ptrdiff_t>(patient * reason_count);
    return std::accumulate(first, first + reason_count, std::int64_t{0});
}

std::int64_t Accumulator::leukocytes(std::size_t patient) const {
    std::int64_t sum = 0;
    for (std::size_t c = 0; c < classes(); ++c) {
        sum += roles_[c].leukocyte ? class_counts_[patient * classes() + c] : 0;
    }
    return sum;
}

}  // namespace bloodcell
