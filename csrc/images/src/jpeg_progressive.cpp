// The codes of a progressive JPEG's scans (ITU-T T.81, annex G), without what they mean: of the
// coefficients only which are not zero is kept, for that says where bits stand that refine them.
#include "jpeg_progressive.hpp"

#include <algorithm>
#include <bitset>
#include <new>

#include "jpeg_codes.hpp"

namespace bloodcell::formats {
namespace {

// Averages, the first time or one bit more of each. Components may be interleaved.
class AveragesCheck {
public:
    AveragesCheck(const JpegScan& scan, const JpegBand& band) noexcept : scan_(scan), band_(band) {
        for (unsigned i = 0; i < scan.component_count && !band.refines(); ++i) {
            tables_[i].build(*scan.components[i].averages);
        }
    }

    bool take_units(JpegBits& bits, std::uint32_t units) noexcept {
        averages_.fill(0);
        for (std::uint32_t unit = 0; unit < units; ++unit) {
            for (unsigned i = 0; i < scan_.component_count; ++i) {
                if (!take_blocks(bits, i)) return false;
            }
        }
        return true;
    }

private:
    bool take_blocks(JpegBits& bits, unsigned index) noexcept {
        const JpegScan::Component& component = scan_.components[index];
        std::int32_t& average = averages_[index];
        for (unsigned block = component.horizontal * component.vertical; block != 0; --block) {
            refill(bits);
            if (band_.refines()) {
                bits.skip(1);
            } else if (!take_difference(tables_[index], bits, average) ||
                       !is_possible_average(average, component.average_step, band_.bits_to_come)) {
                return false;
            }
            if (bits.count < 0) return false;
        }
        return true;
    }

    const JpegScan& scan_;
    const JpegBand& band_;
    std::array<SymbolTable, jpeg_most_components> tables_;
    std::array<std::int32_t, jpeg_most_components> averages_;
};

// The rest, of one component: blocks in the order of reading.
class RestCheck {
public:
    RestCheck(const HuffmanTable& table, const JpegBand& band, std::uint64_t* is_known) noexcept
        : band_(band), is_known_(is_known) {
        table_.build(table);
    }

    bool take_units(JpegBits& bits, std::uint32_t units) noexcept {
        ending_blocks_ = 0;
        for (; units != 0; --units, ++is_known_) {
            if (!take_block(bits, *is_known_) || bits.count < 0) return false;
        }
        return ending_blocks_ == 0;
    }

private:
    bool take_block(JpegBits& bits, std::uint64_t& is_known) noexcept;
    unsigned behind_zeros(std::uint64_t is_known, unsigned at, unsigned zeros) const noexcept;

    const JpegBand& band_;
    std::uint64_t* is_known_;
    SymbolTable table_;
    std::uint32_t ending_blocks_ = 0;  // in which nothing new comes any more
};

// One bit of each known coefficient from `begin` to before `end`, which is at most 64.
void take_refinements(JpegBits& bits, std::uint64_t is_known, unsigned begin,
                      unsigned end) noexcept {
    if (begin == end) return;
    const std::uint64_t between = is_known >> begin << begin << (64 - end);
    auto left = static_cast<unsigned>(std::bitset<64>(between).count());
    while (left != 0) {
        const unsigned taken = std::min(left, static_cast<unsigned>(least_jpeg_bits));
        refill(bits);
        bits.skip(taken);
        left -= taken;
    }
}

// T.81, figures G.3 and G.7. What is known is refined as it is passed: none of it, the first time.
bool RestCheck::take_block(JpegBits& bits, std::uint64_t& is_known) noexcept {
    const std::uint64_t before = is_known;
    unsigned at = band_.first;
    while (ending_blocks_ == 0 && at <= band_.last) {
        refill(bits);
        const JpegCode code = table_.take(bits);
        const unsigned run = code.symbol >> 4, magnitude_bits = code.symbol & 15U;
        if (code.length == 0 || magnitude_bits > (band_.refines() ? 1 : most_rest_bits))
            return false;
        if (magnitude_bits == 0 && run != 15) {
            ending_blocks_ = (1U << run) + bits.peek(run);
            bits.skip(run);
            break;
        }
        bits.skip(magnitude_bits);
        const unsigned next = behind_zeros(before, at, run);
        if (next > band_.last) return false;
        take_refinements(bits, before, at, next);
        if (magnitude_bits != 0) is_known |= std::uint64_t{1} << next;
        at = next + 1;
    }
    if (ending_blocks_ != 0) {
        take_refinements(bits, before, at, band_.last + 1);
        --ending_blocks_;
    }
    return true;
}

// Where the next coefficient that is not known stands once so many of them were passed.
unsigned RestCheck::behind_zeros(std::uint64_t is_known, unsigned at,
                                 unsigned zeros) const noexcept {
    if (!band_.refines()) return at + zeros;
    for (; at <= band_.last; ++at) {
        if ((is_known >> at & 1U) == 0 && zeros-- == 0) break;
    }
    return at;
}

bool is_valid(const JpegBand& band, const JpegScan& scan) noexcept {
    constexpr unsigned most_bits_to_come = 13, last_coefficient = 63;
    if (band.bits_to_come > most_bits_to_come) return false;
    if (band.refines() && band.bits_to_come_before != band.bits_to_come + 1) return false;
    if (band.first == 0) return band.last == 0;
    return band.first <= band.last && band.last <= last_coefficient && scan.component_count == 1;
}

template <typename Check>
std::size_t end_by(Check check, Bytes file, std::size_t begin, const JpegScan& scan) noexcept {
    return take_intervals(file, begin, scan.units, scan.restart_interval,
                          [&check](JpegBits& bits, std::uint32_t units) noexcept {
                              return check.take_units(bits, units);
                          });
}

}  // namespace

// Averages come first, and each bit once: so there are not more scans than bits.
bool JpegProgress::may_come(const Component& component, const JpegBand& band) noexcept {
    if (band.first != 0 && component.bits_to_come[0] == unseen) return false;
    const int before = band.refines() ? static_cast<int>(band.bits_to_come_before) : unseen;
    return std::all_of(component.bits_to_come.begin() + band.first,
                       component.bits_to_come.begin() + band.last + 1,
                       [before](std::int8_t bits) { return bits == before; });
}

bool JpegProgress::is_whole(unsigned component) const noexcept {
    const auto& bits_to_come = components_[component].bits_to_come;
    return std::all_of(bits_to_come.begin(), bits_to_come.end(),
                       [](std::int8_t bits) { return bits == 0; });
}

std::size_t JpegProgress::end_of_codes(Bytes file, std::size_t begin, const JpegScan& scan,
                                       const JpegBand& band) noexcept {
    if (!is_valid(band, scan)) return 0;
    for (unsigned i = 0; i < scan.component_count; ++i) {
        Component& component = components_[scan.components[i].place];
        if (!may_come(component, band)) return 0;
        std::fill(component.bits_to_come.begin() + band.first,
                  component.bits_to_come.begin() + band.last + 1,
                  static_cast<std::int8_t>(band.bits_to_come));
    }
    if (band.first == 0) return end_by(AveragesCheck(scan, band), file, begin, scan);
    std::unique_ptr<std::uint64_t[]>& is_known = components_[scan.components[0].place].is_known;
    if (is_known == nullptr) is_known.reset(new (std::nothrow) std::uint64_t[scan.units]());
    if (is_known == nullptr) return not_followed;
    return end_by(RestCheck(*scan.components[0].rest, band, is_known.get()), file, begin, scan);
}

}  // namespace bloodcell::formats
