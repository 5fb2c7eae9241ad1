// The codes of a sequential JPEG's scan (ITU-T T.81, annex F.2), without what they mean: no
// coefficient is kept, but the averages, whose range says more than their codes.
#include "jpeg_entropy.hpp"

#include <algorithm>

#include "jpeg_codes.hpp"

namespace bloodcell::formats {
namespace {

constexpr unsigned coefficients = 64;
constexpr std::uint8_t end_of_block = 128;  // as an advance: told from any sum of true ones

// What a code does. One of no bits does not exist.
struct Step {
    std::uint8_t bits = 0;  // to be skipped: the code and the magnitude behind it
    std::uint8_t advance = 0;
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
        const JpegCode code = codes_.long_code(bits.peek(jpeg_longest_code));
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
    SymbolTable own_averages;
    RestTable own_rest;
    const Channel* tables;  // whose tables it has: both kinds of chrominance mostly have the same
    unsigned blocks_in_unit;
    std::int64_t average_step;
    std::int32_t average;
};

bool take_blocks(JpegBits& bits, Channel& channel) noexcept {
    for (unsigned block = 0; block < channel.blocks_in_unit; ++block) {
        refill(bits);
        if (!take_difference(channel.tables->own_averages, bits, channel.average)) return false;
        if (!is_possible_average(channel.average, channel.average_step, 0)) return false;
        if (!channel.tables->own_rest.take_block(bits)) return false;
        if (bits.count < 0) return false;
    }
    return true;
}

class ScanCheck {
public:
    explicit ScanCheck(const JpegScan& scan) noexcept : scan_(scan) {
        for (unsigned i = 0; i < scan.component_count; ++i) build(i);
    }

    // False if what comes are not the codes of so many units.
    bool take_units(JpegBits& bits, std::uint32_t units) noexcept;

private:
    void build(unsigned index) noexcept;

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
    return true;
}

}  // namespace

std::size_t end_of_codes(Bytes file, std::size_t begin, const JpegScan& scan) noexcept {
    ScanCheck check(scan);
    return take_intervals(file, begin, scan.units, scan.restart_interval,
                          [&check](JpegBits& bits, std::uint32_t units) noexcept {
                              return check.take_units(bits, units);
                          });
}

}  // namespace bloodcell::formats
