// The loop that reads every probability once.
#include "bloodcell/cell_calls.hpp"

#include <algorithm>
#include <cstring>

#include "bloodcell/blast_bins.hpp"

namespace bloodcell {
namespace {

// Four lanes of any 128-bit instruction set (SSE2, NEON) in the dialect of GCC and Clang, which
// spares us intrinsics. The plain loop vectorises too, but at half the speed: with few classes a
// row it is all prologue and horizontal maximum.
using Floats = float __attribute__((vector_size(16)));
using Words = CellCaller::Words;

constexpr std::uint32_t bits_of_one = 0x3F800000;

// Between 128 and 256 floats are 2^-16 apart, so adding 128 rounds p to a multiple of 2^-16, and
// the bits of the sum are bits_of_128 + round(p * 65536).
constexpr float quantiser = 128.0f;
constexpr std::uint32_t bits_of_128 = 0x43000000;

// A key orders by quantised p, then by lowest class: q << 8 | 255 - class, plus an exponent.
// The exponent makes the key the bits of a normal positive float. Such floats compare as their
// bits do, and the baseline instruction set has a maximum for floats but none for integers.
// Shifting the bits of 128 + p by 8 moves those of 128 out at the top and leaves q << 8.
constexpr std::uint32_t key_exponent = 0x40000000;

template <typename To, typename From>
To bits_as(const From& value) {
    static_assert(sizeof(To) == sizeof(From));
    To result;
    std::memcpy(&result, &value, sizeof(To));
    return result;
}

template <typename Vector, typename Element>
Vector load(const Element* first_of_four) {
    Vector result;
    std::memcpy(&result, first_of_four, sizeof(Vector));
    return result;
}

// Top bit set when p, given by its bits, has its sign set, exceeds 1 or is NaN. It also flags -0.
template <typename Unsigned>
Unsigned doubt(Unsigned p_bits) {
    return p_bits | (bits_of_one - p_bits);
}

Floats larger(Floats a, Floats b) { return a > b ? a : b; }

Floats keys(Floats p, Words tags) {
    return bits_as<Floats>((bits_as<Words>(p + quantiser) << 8) + tags);
}

// Lanes of two vectors, those of the second counted from 4 on. GCC has Clang's builtin from 12 on.
template <int A, int B, int C, int D>
Floats lanes(Floats v, Floats w) {
#if defined(__clang__) || __GNUC__ >= 12
    return __builtin_shufflevector(v, w, A, B, C, D);
#else
    using Places = int __attribute__((vector_size(16)));
    return __builtin_shuffle(v, w, Places{A, B, C, D});
#endif
}

// The largest lane of each of four vectors, in the order of the vectors.
Floats largest_lanes(const Floats (&v)[4]) {
    const Floats a = larger(lanes<0, 4, 1, 5>(v[0], v[1]), lanes<2, 6, 3, 7>(v[0], v[1]));
    const Floats b = larger(lanes<0, 4, 1, 5>(v[2], v[3]), lanes<2, 6, 3, 7>(v[2], v[3]));
    return larger(lanes<0, 1, 4, 5>(a, b), lanes<2, 3, 6, 7>(a, b));
}

bool is_probability(float value) { return value >= 0.0f && value <= 1.0f; }

}  // namespace

CellCaller::CellCaller(const std::vector<ClassRole>& roles) : classes_(roles.size()) {
    for (std::size_t c = 0; c < classes_; ++c) {
        class_tags_.push_back(key_exponent + 255u - static_cast<std::uint32_t>(c));
        if (roles[c].blast) {
            blast_classes_.push_back(c);
        }
    }
}

std::optional<std::size_t> CellCaller::call(const float* probabilities, std::size_t cells,
                                            CellCall* calls) const {
    // A block is looked at again only when in doubt, so the fast loop may doubt too much.
    constexpr std::size_t block = 1024;
    for (std::size_t begin = 0; begin < cells; begin += block) {
        const std::size_t count = std::min(block, cells - begin);
        const float* const first = probabilities + begin * classes_;
        if (call_block(first, count, calls + begin)) {
            const float* const last = first + count * classes_;
            const float* const bad = std::find_if_not(first, last, is_probability);
            if (bad != last) {
                return static_cast<std::size_t>(bad - probabilities);
            }
        }
    }
    return std::nullopt;
}

// True if some probability is in doubt.
bool CellCaller::call_block(const float* probabilities, std::size_t cells, CellCall* calls) const {
    Words doubts{};
    std::size_t i = 0;
    if (classes_ >= 4) {
        for (; i + 4 <= cells; i += 4) {
            doubts |= call_four(probabilities + i * classes_, calls + i);
        }
    }
    std::uint32_t doubts_of_rest = 0;
    for (; i < cells; ++i) {
        doubts_of_rest |= call_one(probabilities + i * classes_, calls + i);
    }
    return ((doubts[0] | doubts[1] | doubts[2] | doubts[3] | doubts_of_rest) >> 31) != 0;
}

// Calls four cells of four classes or more; returns their doubts.
CellCaller::Words CellCaller::call_four(const float* probabilities, CellCall* calls) const {
    Floats best[4] = {};
    Words doubts{};
    const auto take_four_classes = [&](std::size_t c) {
        const Words tags = load<Words>(class_tags_.data() + c);
        for (std::size_t cell = 0; cell < 4; ++cell) {
            const Floats p = load<Floats>(probabilities + cell * classes_ + c);
            doubts |= doubt(bits_as<Words>(p));
            best[cell] = larger(best[cell], keys(p, tags));
        }
    };
    std::size_t c = 0;
    for (; c + 4 <= classes_; c += 4) {
        take_four_classes(c);
    }
    if (c < classes_) {
        take_four_classes(classes_ - 4);  // seeing a class twice does not change the maximum
    }
    Words blast{};
    for (const std::size_t b : blast_classes_) {
        const float* const p = probabilities + b;
        const Floats of_cells = {p[0], p[classes_], p[2 * classes_], p[3 * classes_]};
        blast += bits_as<Words>(of_cells + quantiser) - bits_of_128;
    }
    const Words capped = blast > probability_one ? Words{} + probability_one : blast;
    const Words called = 255u - (bits_as<Words>(largest_lanes(best)) & 255u);
    const Words result = (capped << 8) | called;
    std::memcpy(calls, &result, sizeof(result));
    return doubts;
}

std::uint32_t CellCaller::call_one(const float* probabilities, CellCall* call) const {
    const auto quantised_bits = [&](std::size_t c) {
        return bits_as<std::uint32_t>(probabilities[c] + quantiser);
    };
    std::uint32_t best = 0;
    std::uint32_t doubts = 0;
    for (std::size_t c = 0; c < classes_; ++c) {
        doubts |= doubt(bits_as<std::uint32_t>(probabilities[c]));
        best = std::max(best, (quantised_bits(c) << 8) + class_tags_[c]);
    }
    std::uint32_t blast = 0;
    for (const std::size_t b : blast_classes_) {
        blast += quantised_bits(b) - bits_of_128;
    }
    *call = (std::min(blast, probability_one) << 8) | (255u - (best & 255u));
    return doubts;
}

}  // namespace bloodcell
