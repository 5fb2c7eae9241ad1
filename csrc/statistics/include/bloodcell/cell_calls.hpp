// What the probabilities of one cell say, as integers: the class called and the blast probability.
//
// Integers because their sums do not depend on order: everything counted from here on is exact.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace bloodcell {

struct ClassRole {
    bool blast = false;      // its probability counts towards the blast probability
    bool leukocyte = false;  // in the denominator of the blast share; every blast class is
};

// Blast probability in units of 2^-16 (17 bits) above the called class (8 bits).
using CellCall = std::uint32_t;

constexpr std::size_t called_class(CellCall call) { return call & 0xFFu; }
constexpr std::uint32_t blast_probability(CellCall call) { return call >> 8; }

class CellCaller {
public:
    // Four lanes of any 128-bit instruction set.
    using Words = std::uint32_t __attribute__((vector_size(16)));

    // Expects 1 to 255 classes.
    explicit CellCaller(const std::vector<ClassRole>& roles);

    // Calls each cell: the class of the largest quantised probability (ties: the lowest class) and
    // min(1, sum of the quantised probabilities of the blast classes). Quantising takes p * 65536
    // to the nearest integer, halves to even, as long as the process rounds as IEEE 754 defaults.
    // probabilities: row-major, one row of classes a cell. Returns the position in it of the
    // first NaN or value outside [0, 1], and then `calls` holds nothing of use.
    std::optional<std::size_t> call(const float* probabilities, std::size_t cells,
                                    CellCall* calls) const;

private:
    bool call_block(const float* probabilities, std::size_t cells, CellCall* calls) const;
    Words call_four(const float* probabilities, CellCall* calls) const;
    std::uint32_t call_one(const float* probabilities, CellCall* call) const;

    std::size_t classes_;
    std::vector<std::uint32_t> class_tags_;
    std::vector<std::size_t> blast_classes_;
};

}  // namespace bloodcell
