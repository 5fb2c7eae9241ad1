// The codes of a sequential JPEG's scan (ITU-T T.81, annex F.2), without what they mean: no
// coefficient is kept, but the averages, whose range says more than their codes.
#include "jpeg_entropy.hpp"

#include <algorithm>

#include "jpeg_bits.hpp"

namespace bloodcell::formats {
namespace {

// Of 8 bits a sample (T.81, table F.1 and F.2).
constexpr unsigned most_average_bits = 11;
constexpr unsigned most_rest_bits = 10;
// Eight times the samples' mean, of -128 to 127: nearly 1,024. Twice that is room for encoders that
// make white areas whiter than white, so that they ring less.
constexpr std::int64_t most_average = 2048;

constexpr unsigned coefficients = 64;
constexpr std::uint8_t end_of_block = 128;  // as an advance: told from any sum of true ones

constexpr unsigned lookahead = 10;  // bits: longer codes are rare

// What a code does. One of no bits does not exist.
struct Step {
    std::uint8_t bits = 0;  // to be skipped: the code and the magnitude behind it
    std::uint8_t advance = 0;
};

// Codes in the order of their numbers, by what the next bits are.
class CodeTable {
public:
    template <typename Add>
    void build(const HuffmanTable& table, Add add) noexcept;

    // The symbol of a code longer than `lookahead`; its length 0 if there is none.
    struct Code {
        std::uint8_t length = 0;
        std::uint8_t symbol = 0;
    };
    Code long_code(std::uint32_t next_16_bits) const noexcept;

private:
    const std::uint8_t* symbols_ = nullptr;
    // By length: the first number, of 16 bits, that is no code of this length or a shorter one,
    // and what to add to a code to get the place of its symbol.
    std::array<std::uint32_t, jpeg_longest_code + 1> limit_;
    std::array<std::int32_t, jpeg_longest_code + 1> offset_;
};

// `add` gets length, symbol, and the range of lookahead bits of each code that is short enough.
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

CodeTable::Code CodeTable::long_code(std::uint32_t next_16_bits) const noexcept {
    if (next_16_bits < limit_[lookahead]) return {};  // a short one, which is of no use
    for (unsigned length = lookahead + 1; length <= jpeg_longest_code; ++length) {
        if (next_16_bits >= limit_[length]) continue;
        const auto code = static_cast<std::int32_t>(next_16_bits >> (jpeg_longest_code - length));
        return {static_cast<std::uint8_t>(length), symbols_[code + offset_[length]]};
    }
    return {};
}

// Of the averages: the differences count, so code and magnitude are told apart.
class AverageTable {
public:
    void build(const HuffmanTable& table) noexcept {
        short_codes_.fill({});
        codes_.build(table, [this](unsigned length, std::uint8_t symbol, unsigned at, unsigned n) {
            std::fill_n(short_codes_.begin() + at, n,
                        CodeTable::Code{static_cast<std::uint8_t>(length), symbol});
        });
    }

    // Adds the next difference to `average`. False if no code comes, or one of too many bits.
    bool take(JpegBits& bits, std::int32_t& average) const noexcept {
        CodeTable::Code code = short_codes_[bits.peek(lookahead)];
        if (code.length == 0) code = codes_.long_code(bits.peek(jpeg_longest_code));
        if (code.length == 0 || code.symbol > most_average_bits) return false;
        bits.skip(code.length);
        const auto magnitude = static_cast<std::int32_t>(bits.peek(code.symbol));
        bits.skip(code.symbol);
        // A highest bit of 0 means a negative number (T.81, F.2.2.1: EXTEND).
        const std::int32_t power = 1 << code.symbol;
        average += magnitude - (magnitude < power / 2 ? power - 1 : 0);
        return true;
    }

private:
    CodeTable codes_;
    std::array<CodeTable::Code, 1U << lookahead> short_codes_;
};

// Of the rest nothing counts but how many bits and coefficients a code takes, so that two codes can
// be taken at once.
class RestTable {
public:
    void build(const HuffmanTable& table) noexcept;
    // False if what comes are not the codes of one block.
    bool take_block(JpegBits& bits) const noexcept;

private:
    template <typename Steps>
    bool take(const Steps& steps, JpegBits& bits, unsigned& at) const noexcept;
    static Step step(unsigned length, std::uint8_t symbol) noexcept;
    Step long_step(const JpegBits& bits) const noexcept {
        const CodeTable::Code code = codes_.long_code(bits.peek(jpeg_longest_code));
        return step(code.length, code.symbol);
    }

    CodeTable codes_;
    std::array<Step, 1U << lookahead> one_;
    std::array<Step, 1U << lookahead> two_;  // one where the second is not within the lookahead
};

Step RestTable::step(unsigned length, std::uint8_t symbol) noexcept {
    const unsigned run = symbol >> 4, magnitude_bits = symbol & 15U;
    if (length == 0 || magnitude_bits > most_rest_bits) return {};
    const auto bits = static_cast<std::uint8_t>(length + magnitude_bits);
    if (magnitude_bits != 0) return {bits, static_cast<std::uint8_t>(run + 1)};
    if (run == 0) return {bits, end_of_block};
    // Sixteen zeros; runs of blocks that end are for progressive scans.
    return run == 15 ? Step{bits, 16} : Step{};
}

void RestTable::build(const HuffmanTable& table) noexcept {
    std::array<std::uint8_t, 1U << lookahead> length_of{};
    one_.fill({});
    codes_.build(table, [&](unsigned length, std::uint8_t symbol, unsigned at, unsigned n) {
        std::fill_n(one_.begin() + at, n, step(length, symbol));
        std::fill_n(length_of.begin() + at, n, static_cast<std::uint8_t>(length));
    });
    for (unsigned at = 0; at < one_.size(); ++at) {
        const Step first = one_[at];
        two_[at] = first;
        if (first.bits == 0 || first.bits >= lookahead || first.advance == end_of_block) continue;
        const unsigned behind = (at << first.bits) & ((1U << lookahead) - 1);
        const Step second = one_[behind];
        if (second.bits == 0 || first.bits + length_of[behind] > lookahead) continue;
        two_[at] = {static_cast<std::uint8_t>(first.bits + second.bits),
                    static_cast<std::uint8_t>(first.advance + second.advance)};
    }
}

// False if no code comes.
template <typename Steps>
bool RestTable::take(const Steps& steps, JpegBits& bits, unsigned& at) const noexcept {
    Step next = steps[bits.peek(lookahead)];
    if (next.bits == 0) next = long_step(bits);
    bits.skip(next.bits);
    at += next.advance;
    return next.bits != 0;
}

// `bits` hold what one average and one step need, or two steps: 56.
bool RestTable::take_block(JpegBits& bits) const noexcept {
    unsigned at = 1;
    if (!take(two_, bits, at)) return false;
    // As long as the first of two codes cannot be the block's last coefficient.
    constexpr unsigned last_start = coefficients - 16;
    while (at < last_start) {
        refill(bits);
        if (!take(two_, bits, at)) return false;
        if (at >= last_start) break;
        if (!take(two_, bits, at)) return false;
    }
    while (at < coefficients) {
        refill(bits);
        if (!take(one_, bits, at)) return false;
    }
    return at == coefficients || at >= end_of_block;
}

struct Channel {
    AverageTable own_averages;
    RestTable own_rest;
    const Channel* tables;  // whose tables it has: both kinds of chrominance mostly have the same
    unsigned blocks_in_unit;
    std::int64_t average_step;
    std::int32_t average;
};

bool take_blocks(JpegBits& bits, Channel& channel) noexcept {
    const std::int64_t twice_most = 2 * most_average + channel.average_step;
    for (unsigned block = 0; block < channel.blocks_in_unit; ++block) {
        refill(bits);
        if (!channel.tables->own_averages.take(bits, channel.average)) return false;
        // An encoder rounds: half a step more than there is at most.
        const std::int64_t twice = 2 * channel.average_step * channel.average;
        if (twice > twice_most || twice < -twice_most) return false;
        if (!channel.tables->own_rest.take_block(bits)) return false;
        if (bits.count < 0) return false;
    }
    return true;
}

// Steps over the restart marker that has this number; `at` stands in front of it.
bool take_restart(JpegBits& bits, unsigned number) noexcept {
    constexpr unsigned RST0 = 0xD0, restart_markers = 8;
    const std::uint8_t* marker = bits.at;
    while (marker != bits.end && *marker == 0xFF) ++marker;
    if (marker == bits.end || *marker != RST0 + number % restart_markers) return false;
    bits = {0, 0, false, marker + 1, bits.end};
    return true;
}

class ScanCheck {
public:
    explicit ScanCheck(const JpegScan& scan) noexcept : scan_(scan) {
        for (unsigned i = 0; i < scan.component_count; ++i) build(i);
    }

    std::size_t run(Bytes file, std::size_t begin) noexcept;

private:
    void build(unsigned index) noexcept;
    bool take_units(JpegBits& bits, std::uint32_t units) noexcept;

    const JpegScan& scan_;
    std::array<Channel, jpeg_most_components> channels_;
};

void ScanCheck::build(unsigned index) noexcept {
    const JpegScan::Component& component = scan_.components[index];
    Channel& channel = channels_[index];
    channel.blocks_in_unit = component.horizontal * component.vertical;
    channel.average_step = component.average_step;
    for (unsigned i = 0; i < index; ++i) {
        const JpegScan::Component& other = scan_.components[i];
        channel.tables = channels_[i].tables;
        if (other.averages == component.averages && other.rest == component.rest) return;
    }
    channel.tables = &channel;
    channel.own_averages.build(*component.averages);
    channel.own_rest.build(*component.rest);
}

bool ScanCheck::take_units(JpegBits& in_memory, std::uint32_t units) noexcept {
    JpegBits bits = in_memory;  // in registers
    for (unsigned i = 0; i < scan_.component_count; ++i) channels_[i].average = 0;
    for (std::uint32_t unit = 0; unit < units; ++unit) {
        for (unsigned i = 0; i < scan_.component_count; ++i) {
            if (!take_blocks(bits, channels_[i])) return false;
        }
    }
    in_memory = bits;
    return has_only_padding(in_memory);
}

std::size_t ScanCheck::run(Bytes file, std::size_t begin) noexcept {
    JpegBits bits{0, 0, false, file.data + begin, file.data + file.size};
    const std::uint32_t interval =
        scan_.restart_interval == 0 ? scan_.units : scan_.restart_interval;
    unsigned restarts = 0;
    std::uint32_t left = scan_.units;
    for (; left > interval; left -= interval) {
        if (!take_units(bits, interval) || !take_restart(bits, restarts++)) return 0;
    }
    if (!take_units(bits, left)) return 0;
    // Some encoders write one more where the last interval is full, and libjpeg does not mind.
    if (left == scan_.restart_interval) take_restart(bits, restarts);
    return static_cast<std::size_t>(bits.at - file.data);
}

}  // namespace

std::size_t end_of_codes(Bytes file, std::size_t begin, const JpegScan& scan) noexcept {
    return ScanCheck(scan).run(file, begin);
}

}  // namespace bloodcell::formats
