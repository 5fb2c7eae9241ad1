// What is known of each patient, in integers only.
//
// Sums, maxima and sorted lists of integers do not depend on the order of their parts, so any
// order of rows, any batching and any split with a later merge give the same bytes.
// Not synchronised: of calls on one accumulator at most one may run while any of them writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bloodcell/blast_bins.hpp"
#include "bloodcell/cell_calls.hpp"
#include "bloodcell/reason.hpp"

namespace bloodcell {

// A leukocyte that a review looks at first: its row and its blast probability in units of 2^-16.
struct Suspect {
    std::uint32_t blast_probability = 0;
    std::int64_t row = -1;  // -1: no cell
};

// Highest probability first, then smallest row; -1 read as unsigned puts "no cell" last of all.
inline bool more_suspicious(const Suspect& a, const Suspect& b) {
    return a.blast_probability != b.blast_probability
               ? a.blast_probability > b.blast_probability
               : static_cast<std::uint64_t>(a.row) < static_cast<std::uint64_t>(b.row);
}

class Accumulator {
public:
    static constexpr int max_classes = 255;
    static constexpr int max_suspicious = 65535;
    // Most cells of one patient that merge and from_bytes accept, so that no sum can overflow.
    static constexpr std::int64_t max_cells = std::int64_t{1} << 62;

    // One role a class, 1 to 255. Throws std::invalid_argument for a count out of its range and
    // for a blast class that is not a leukocyte class.
    Accumulator(int patients, const std::vector<ClassRole>& roles, int suspicious_per_patient = 24);

    // Counts scored cells. probabilities: row-major, one row of classes a cell, each value in
    // [0, 1]; row: 0 or more. All or nothing: throws std::invalid_argument, naming the first cell
    // at fault, before anything is changed.
    void add(const std::int32_t* patient_index, const std::int64_t* row, const float* probabilities,
             std::size_t cells);

    // Counts rejected cells by Reason, 1 to 10. All or nothing, like add.
    void reject(const std::int32_t* patient_index, const std::uint8_t* reason, std::size_t cells);

    // Adds what the other counted. Throws std::invalid_argument, changing nothing, unless both
    // were constructed alike. Merging with itself counts everything twice.
    void merge(const Accumulator& other);

    // The whole state, little-endian; equal states give equal bytes (accumulator_bytes.cpp). So
    // what several processes or nodes have counted travels to the one that merges it.
    std::string to_bytes() const;

    // Such bytes have travelled and may be damaged. Throws std::invalid_argument for anything
    // to_bytes could not have written, as far as sizes, flags, order and sums can tell, and
    // allocates no more than a few times the given length.
    static Accumulator from_bytes(std::string_view bytes);

    std::size_t patients() const { return patients_; }
    std::size_t classes() const { return roles_.size(); }
    std::size_t suspicious_per_patient() const { return kept_; }

    // Row-major, one row a patient: of classes, of blast_bins, of reason_count, and of
    // suspicious_per_patient with the most suspicious first and absent ones last.
    const std::vector<std::int64_t>& class_counts() const { return class_counts_; }
    const std::vector<std::int64_t>& blast_histogram() const { return blast_histogram_; }
    const std::vector<std::int64_t>& rejected() const { return rejected_; }
    const std::vector<Suspect>& suspects() const { return suspects_; }

    std::int64_t scored(std::size_t patient) const;

private:
    // The arrays that add was given.
    struct Cells {
        const std::int32_t* patient_index;
        const std::int64_t* row;
        const float* probabilities;
    };
    using Calls = std::unique_ptr<CellCall[]>;

    Accumulator counted(const Cells& cells, std::size_t count) const;
    void add_range(const Cells& cells, std::size_t begin, std::size_t end);
    Calls checked_calls(const Cells& cells, std::size_t begin, std::size_t end) const;
    void keep(std::size_t patient, Suspect candidate);
    void check_mergeable(const Accumulator& other) const;
    std::int64_t rejected_total(std::size_t patient) const;
    std::int64_t leukocytes(std::size_t patient) const;
    void check_patient(std::size_t patient) const;

    std::size_t patients_;
    std::vector<ClassRole> roles_;
    std::size_t kept_;
    CellCaller caller_;
    std::vector<std::int64_t> class_counts_;
    std::vector<std::int64_t> blast_histogram_;
    std::vector<std::int64_t> rejected_;
    std::vector<Suspect> suspects_;
};

}  // namespace bloodcell
