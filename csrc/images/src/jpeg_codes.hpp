// The Huffman codes of a JPEG's scan; internal to csrc/src.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "jpeg_bits.hpp"
#include "jpeg_tables.hpp"

namespace bloodcell::formats {

// Of 8 bits a sample (T.81, table F.1 and F.2).
constexpr unsigned most_average_bits = 11;
constexpr unsigned most_rest_bits = 10;

constexpr unsigned lookahead = 10;  // bits: longer codes are rare

// One of length 0 does not exist.
struct JpegCode {
    std::uint8_t length = 0;
    std::uint8_t symbol = 0;
};

// Codes in the order of their numbers, by what the next bits are.
class CodeTable {
public:
    // `add` gets length, symbol, and the range of lookahead bits of each code that is short enough.
    template <typename Add>
    void build(const HuffmanTable& table, Add add) noexcept;

    // A code longer than `lookahead`.
    JpegCode long_code(std::uint32_t next_16_bits) const noexcept;

private:
    const std::uint8_t* symbols_ = nullptr;
    // By length: the first number, of 16 bits, that is no code of this length or a shorter one,
    // and what to add to a code to get the place of its symbol.
    std::array<std::uint32_t, jpeg_longest_code + 1> limit_;
    std::array<std::int32_t, jpeg_longest_code + 1> offset_;
};

template <typename Add>
void CodeTable::build(const HuffmanTable& table, Add add) noexcept {
    symbols_ = table.symbols;
    std::uint32_t code = 0;
    std::int32_t place = 0;
    for (unsigned length = 1; length <= jpeg_longest_code; ++length, code *= 2) {
        const unsigned codes = table.codes_of_length[length - 1];
        offset_[length] = place - static_cast<std::int32_t>(code);
        for (unsigned i = 0; length <= lookahead && i < codes; ++i) {
            const unsigned shift = lookahead - length;
            add(length, symbols_[place + static_cast<std::int32_t>(i)], (code + i) << shift,
                1U << shift);
        }
        code += codes;
        place += static_cast<std::int32_t>(codes);
        limit_[length] = code << (jpeg_longest_code - length);
    }
}

inline JpegCode CodeTable::long_code(std::uint32_t next_16_bits) const noexcept {
    if (next_16_bits < limit_[lookahead]) return {};  // a short one, which is of no use
    for (unsigned length = lookahead + 1; length <= jpeg_longest_code; ++length) {
        if (next_16_bits >= limit_[length]) continue;
        const auto code = static_cast<std::int32_t>(next_16_bits >> (jpeg_longest_code - length));
        return {static_cast<std::uint8_t>(length), symbols_[code + offset_[length]]};
    }
    return {};
}

// Codes one by one, what stands behind each left to the caller.
class SymbolTable {
public:
    void build(const HuffmanTable& table) noexcept {
        short_codes_.fill({});
        codes_.build(table, [this](unsigned length, std::uint8_t symbol, unsigned at, unsigned n) {
            std::fill_n(short_codes_.begin() + at, n,
                        JpegCode{static_cast<std::uint8_t>(length), symbol});
        });
    }

    // Steps over the next code; its length is 0 if none comes.
    JpegCode take(JpegBits& bits) const noexcept {
        JpegCode code = short_codes_[bits.peek(lookahead)];
        if (code.length == 0) code = codes_.long_code(bits.peek(jpeg_longest_code));
        bits.skip(code.length);
        return code;
    }

private:
    CodeTable codes_;
    std::array<JpegCode, 1U << lookahead> short_codes_;
};

// Adds the next difference to `average`. False if no code comes, or one of too many bits.
inline bool take_difference(const SymbolTable& averages, JpegBits& bits,
                            std::int32_t& average) noexcept {
    const JpegCode code = averages.take(bits);
    if (code.length == 0 || code.symbol > most_average_bits) return false;
    const auto magnitude = static_cast<std::int32_t>(bits.peek(code.symbol));
    bits.skip(code.symbol);
    // A highest bit of 0 means a negative number (T.81, F.2.2.1: EXTEND).
    const std::int32_t power = 1 << code.symbol;
    average += magnitude - (magnitude < power / 2 ? power - 1 : 0);
    return true;
}

// Whether samples can have this average, in steps of which the lowest bits are still to come.
inline bool is_possible_average(std::int64_t average, std::int64_t step,
                                unsigned bits_to_come) noexcept {
    // Eight times the samples' mean, of -128 to 127: nearly 1,024. Twice that is room for encoders
    // that make white areas whiter than white, so that they ring less.
    constexpr std::int64_t most_average = 2048;
    // An encoder rounds: half a step more than there is at most.
    const std::int64_t room = step * ((std::int64_t{2} << bits_to_come) - 1);
    const std::int64_t twice = 2 * step * average * (std::int64_t{1} << bits_to_come);
    return -2 * most_average - room <= twice && twice <= 2 * most_average + room;
}

// `take_units` on each restart interval of a scan of so many units, and the markers between them.
// Returns where the marker behind the codes stands, with its fill bytes; 0 if they do not hold.
template <typename TakeUnits>
std::size_t take_intervals(Bytes file, std::size_t begin, std::uint32_t units,
                           std::uint32_t restart_interval, TakeUnits take_units) noexcept {
    JpegBits bits{0, 0, false, file.data + begin, file.data + file.size};
    const std::uint32_t interval = restart_interval == 0 ? units : restart_interval;
    unsigned restarts = 0;
    std::uint32_t left = units;
    for (; left > interval; left -= interval) {
        if (!take_units(bits, interval) || !has_only_padding(bits)) return 0;
        if (!take_restart(bits, restarts++)) return 0;
    }
    if (!take_units(bits, left) || !has_only_padding(bits)) return 0;
    // Some encoders write one more where the last interval is full, and libjpeg does not mind.
    if (left == restart_interval) take_restart(bits, restarts);
    return static_cast<std::size_t>(bits.at - file.data);
}

}  // namespace bloodcell::formats
