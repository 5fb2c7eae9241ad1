// The gate on JPEGs built byte by byte.
#include "built_images.hpp"

namespace {

using namespace built;

void jpeg_structure() {
    const Bytes thumbnail = segment(0xE1, text("Exif") + soi + frame(0xC0, 8, 8, 3) + eoi);
    const Bytes good = soi + thumbnail + frame(0xC0, 20, 17, 3) + scan(3) + eoi;
    const ImageHeader header = inspect(good);
    CHECK(header.reason == Reason::none && header.format == Format::jpeg);
    CHECK(header.width == 20 && header.height == 17);
    every_prefix_is_rejected(good);
    CHECK(reason(good + text("trailing bytes")) == Reason::none);

    const Bytes cut(good.begin(), good.end() - 1);
    CHECK(reason(cut) == Reason::truncated);
    CHECK(reason(soi + eoi) == Reason::corrupt);
    CHECK(reason(soi + frame(0xC0, 20, 17, 3) + eoi) == Reason::corrupt);
    CHECK(reason(soi + scan(3) + eoi) == Reason::corrupt);
    CHECK(reason(soi + text("lost") + good) == Reason::corrupt);
    CHECK(is_direct(good));
    for (const Bytes& stray : {text("stray"), Bytes{0}, Bytes{0xFF, 0, 0xFF, 0}, Bytes(999, 7)}) {
        const Bytes strayed = soi + thumbnail + stray + frame(0xC0, 20, 17, 3) + stray + scan(3);
        CHECK(is_rewritten(strayed + eoi));
        every_prefix_is_rejected(strayed + eoi);
    }
    CHECK(reason(soi + Bytes{0xFF, 0xE0, 0, 1} + good) == Reason::corrupt);
    CHECK(reason(soi + frame(0xC0, 20, 17, 3) + frame(0xC0, 20, 17, 3)) == Reason::corrupt);
}

void jpeg_tables() {
    const auto with = [](const Bytes& tables, std::uint8_t marker = 0xC0,
                         const std::string& block = empty_block) {
        return reason(magic + tables + frame(marker, 20, 17, 3) + scan(3, block) + eoi);
    };
    const Bytes good = quantization(0);
    CHECK(with({}) == Reason::corrupt);
    CHECK(with(quantization(1)) == Reason::corrupt);
    CHECK(with(quantization(4) + good) == Reason::corrupt);
    CHECK(with(quantization(0x10)) == Reason::none);
    CHECK(with(segment(0xDB, Bytes(66, 0))) == Reason::corrupt);
    CHECK(with(good + huffman(0) + huffman(0x10), 0xC0, "00") == Reason::none);
    CHECK(with(good + huffman(0) + huffman(0x10), 0xC0, "01") == Reason::corrupt);
    CHECK(with(good + huffman(0) + huffman(0x10, 255), 0xC0, "00") == Reason::corrupt);
    CHECK(with(good + huffman(0x20)) == Reason::corrupt);
    CHECK(with(good + huffman(4)) == Reason::corrupt);
    CHECK(with(good + segment(0xC4, Bytes{0, 1} + Bytes(15, 0))) == Reason::corrupt);
    // What no scan uses does no harm; and arithmetic codes have no such tables.
    const Bytes all_ones = Bytes{2} + Bytes(15, 0) + Bytes{0, 1};
    for (const std::uint8_t slot : {0, 0x10}) {
        CHECK(with(good + segment(0xC4, Bytes{slot} + all_ones)) == Reason::corrupt);
        CHECK(with(good + segment(0xC4, Bytes{slot} + all_ones), 0xC9) == Reason::none);
        const auto unused = static_cast<std::uint8_t>(slot + 1);
        CHECK(with(good + segment(0xC4, Bytes{unused} + all_ones)) == Reason::none);
    }
    CHECK(with(good + huffman(0, 16)) == Reason::corrupt);

    const Bytes other_component = segment(0xDA, Bytes{1, 7, 0, 0, 63, 0}) + Bytes{1};
    CHECK(reason(soi + frame(0xC0, 20, 17, 3) + other_component + eoi) == Reason::corrupt);
    // What else is wrong is said first.
    CHECK(reason(soi + frame(0xC0, 20, 17, 3) + other_component) == Reason::truncated);
}

void jpeg_kinds() {
    const auto kind = [](std::uint8_t marker, std::uint8_t components, std::uint8_t precision) {
        return reason(soi + frame(marker, 20, 17, components, precision) + scan(components) + eoi);
    };
    CHECK(kind(0xC0, 1, 8) == Reason::none);
    CHECK(kind(0xC1, 3, 8) == Reason::none);
    CHECK(kind(0xC1, 3, 12) == Reason::unsupported);
    CHECK(kind(0xC3, 3, 8) == Reason::unsupported);                     // lossless
    CHECK(is_rewritten(soi + frame(0xC9, 20, 17, 3) + scan(3) + eoi));  // arithmetic
    CHECK(is_rewritten(soi + frame(0xCA, 20, 17, 3) + scan(3) + eoi));
    CHECK(kind(0xCB, 3, 8) == Reason::unsupported);
    CHECK(kind(0xC0, 2, 8) == Reason::unsupported);
    CHECK(kind(0xC0, 4, 8) == Reason::unsupported);  // CMYK, inverted or not?
    const Bytes adobe = segment(0xEE, text("Adobe") + Bytes(7, 0));
    CHECK(reason(soi + adobe + frame(0xC0, 20, 17, 4) + scan(4) + eoi) == Reason::none);
}

Reason gray(const Bytes& codes, const Bytes& tables = {}) {
    return reason(soi + tables + frame(0xC0, 20, 17, 1) + scan_header(1) + codes + eoi);
}

// Nine blocks that begin with this one.
Reason gray_block(const std::string& first, const Bytes& tables = {}) {
    return gray(packed(first + times(blocks - 1, empty_block)), tables);
}

void jpeg_codes() {
    const std::string all = times(blocks, empty_block);
    CHECK(gray(packed(all)) == Reason::none);
    CHECK(gray(packed(all, '0')) == Reason::none);  // libjpeg does not look at padding
    CHECK(gray(packed(all) + Bytes{0xFF, 0xFF, 0xFF}) == Reason::none);
    CHECK(gray(packed(times(blocks - 1, empty_block))) == Reason::corrupt);
    CHECK(gray(packed(times(blocks + 1, empty_block))) == Reason::corrupt);
    CHECK(gray(packed(all.substr(1))) == Reason::corrupt);
    for (const Bytes& left : {Bytes{0}, Bytes{0xFF, 0}, Bytes{0xFF, 0xFF, 0}}) {
        CHECK(gray(packed(all) + left) == Reason::corrupt);
    }
    CHECK(gray(Bytes{}) == Reason::corrupt);

    CHECK(gray_block("111111111") == Reason::corrupt);            // no code of an average
    CHECK(gray_block("00" + times(16, "1")) == Reason::corrupt);  // nor of the rest
    // A coefficient in the last place is followed by no end of the block; none is behind it.
    const std::string one = "001", one_after_zero = "11001", sixteen_zeros = "11111111001";
    CHECK(gray_block("00" + times(63, one)) == Reason::none);
    CHECK(gray_block("00" + times(61, one) + one_after_zero) == Reason::none);
    CHECK(gray_block("00" + times(62, one) + one_after_zero) == Reason::corrupt);
    const std::string one_after_fourteen = "11111111111010111";
    CHECK(gray_block("00" + times(3, sixteen_zeros) + one_after_fourteen) == Reason::none);
    CHECK(gray_block("00" + times(4, sixteen_zeros)) == Reason::corrupt);
    // Runs of blocks without coefficients are for progressive scans.
    CHECK(gray_block("00", huffman(0x10, 0x10)) == Reason::corrupt);

    // The largest difference of averages is 2,047: once, but not twice, nor of steps of two.
    const std::string largest = "11111111011111111111";
    const std::string back = "11111111000000000000";
    CHECK(gray_block(largest + "1010") == Reason::none);
    CHECK(gray_block(back + "1010") == Reason::none);
    const auto two = [&](const std::string& second) {
        return gray(packed(largest + "1010" + second + "1010" + times(7, empty_block)));
    };
    CHECK(two(back) == Reason::none);
    CHECK(two(largest) == Reason::corrupt);
    CHECK(gray_block(largest + "1010", segment(0xDB, Bytes{0} + Bytes(64, 2))) == Reason::corrupt);

    // A code of sixteen bits and a magnitude of ten make a byte of ones, which is stuffed.
    const std::string long_code = "0011111111100000111111111111" + std::string("1010");
    const Bytes stuffed = packed(long_code + times(8, empty_block));
    CHECK(stuffed[2] == 0xFF && stuffed[3] == 0);
    CHECK(gray(stuffed) == Reason::none);
    Bytes bare = stuffed, filled = stuffed;
    bare.erase(bare.begin() + 3);
    filled.insert(filled.begin() + 2, 0xFF);
    CHECK(gray(bare) != Reason::none);    // a marker is no code
    CHECK(gray(filled) == Reason::none);  // as libjpeg takes it
    every_prefix_is_rejected(soi + frame(0xC0, 20, 17, 1) + scan_header(1) + stuffed + eoi);
}

void jpeg_restarts() {
    const auto with = [](const std::vector<std::uint8_t>& markers, std::uint8_t interval = 2) {
        Bytes codes;
        for (unsigned i = 0; i < 5; ++i) {
            codes = codes + packed(times(i < 4 ? 2 : 1, empty_block));
            if (i < markers.size()) codes = codes + Bytes{0xFF, 0xFF, markers[i]};
        }
        return gray(codes, segment(0xDD, Bytes{0, interval}));
    };
    CHECK(with({0xD0, 0xD1, 0xD2, 0xD3}) == Reason::none);
    CHECK(with({0xD0, 0xD1, 0xD2, 0xD4}) == Reason::corrupt);
    CHECK(with({0xD1, 0xD2, 0xD3, 0xD4}) == Reason::corrupt);
    CHECK(with({0xD0, 0xD1, 0xD2}) == Reason::corrupt);
    CHECK(with({0xD0, 0xD1, 0xD2, 0xD3}, 3) == Reason::corrupt);
    CHECK(with({0xD0, 0xD1, 0xD2, 0xD3}, 0) == Reason::corrupt);
    CHECK(with({0xD0, 0xD1, 0xD2, 0xD3, 0xD4}) ==
          Reason::corrupt);  // the last interval is not full
    Bytes codes;
    for (std::uint8_t i = 0; i < blocks; ++i) {
        codes = codes + packed(empty_block) + Bytes{0xFF, static_cast<std::uint8_t>(0xD0 + i % 8)};
    }
    CHECK(gray(codes, segment(0xDD, Bytes{0, 1})) == Reason::none);  // here it is
    CHECK(gray(packed(times(blocks, empty_block)), segment(0xDD, Bytes{0})) == Reason::corrupt);
}

void jpeg_sampling() {
    const auto sampled = [](std::uint8_t factors, const Bytes& scans) {
        return reason(soi + frame(0xC0, 20, 17, 3, 8, factors) + scans + eoi);
    };
    const auto together = [](unsigned count) {
        return scan_header(3) + packed(times(count, empty_block));
    };
    const auto alone = [](std::uint8_t component, unsigned count) {
        return scan_header(1, component) + packed(times(count, empty_block));
    };
    CHECK(sampled(0x11, together(27)) == Reason::none);
    CHECK(sampled(0x22, together(24)) == Reason::none);
    CHECK(sampled(0x22, together(27)) == Reason::corrupt);
    CHECK(sampled(0x21, together(24)) == Reason::none);
    CHECK(sampled(0x44, together(18)) == Reason::corrupt);  // more blocks at once than ten
    // Alone, a component has no blocks beyond its sides.
    CHECK(sampled(0x22, alone(0, 9) + alone(1, 4) + alone(2, 4)) == Reason::none);
    CHECK(sampled(0x22, alone(0, 16) + alone(1, 4) + alone(2, 4)) == Reason::corrupt);
    CHECK(sampled(0x44, alone(2, 1) + alone(0, 9) + alone(1, 1)) == Reason::none);
    CHECK(sampled(0x22, alone(0, 9) + alone(1, 4)) == Reason::corrupt);
    CHECK(sampled(0x22, alone(0, 9) + alone(0, 9) + alone(1, 4) + alone(2, 4)) == Reason::corrupt);
}

const std::string all_end = "01001";

// A gray picture in scans of one bit each. The codes of the rest: a coefficient that is next "00",
// the end of 8 to 15 blocks "01" and three bits more, the end of one block "10".
struct Progressive {
    Bytes scans = soi + segment(0xC4, Bytes{0x10, 0, 3} + Bytes(14, 0) + Bytes{0x01, 0x30, 0}) +
                  frame(0xC2, 20, 17, 1);

    Progressive& then(const Bytes& band, const std::string& codes) {
        scans = scans + scan_header(1, 0, band) + packed(codes);
        return *this;
    }
    Progressive& averages() { return then({0, 0, 0x01}, times(blocks, "00")); }
    Progressive& refined_averages() { return then({0, 0, 0x10}, times(blocks, "1")); }
    // `known` of the first block's coefficients come.
    Progressive& rest(unsigned known) {
        const std::string end = known < 63 ? all_end : "01000";
        return then({1, 63, 0x01}, times(known, "001") + end);
    }
    Progressive& refined(const std::string& codes) { return then({1, 63, 0x10}, codes); }
    Reason end() const { return reason(scans + eoi); }
};

void jpeg_progressive() {
    const Progressive whole =
        Progressive().averages().rest(3).refined_averages().refined(all_end + "111");
    CHECK(whole.end() == Reason::none);
    every_prefix_is_rejected(whole.scans + eoi);

    // As many bits refine as coefficients are known, those that a new one is put behind too.
    const auto refining = [](unsigned known, const std::string& codes) {
        return Progressive().averages().refined_averages().rest(known).refined(codes).end();
    };
    CHECK(refining(4, all_end + "111") == Reason::corrupt);
    CHECK(refining(4, all_end + "1111") == Reason::none);
    CHECK(refining(3, "001" + std::string("111") + all_end + "00000") == Reason::none);
    CHECK(refining(3, "001" + std::string("111") + all_end + "000000") == Reason::corrupt);
    CHECK(refining(63, all_end + times(63, "1")) == Reason::none);
    CHECK(refining(63, all_end + times(51, "1")) == Reason::corrupt);
    CHECK(refining(63, "001" + times(63, "1") + all_end) == Reason::corrupt);  // there is no place

    // Of two coefficients, and then the others.
    const auto two = [](const std::string& codes) {
        Progressive scans = Progressive().averages().refined_averages();
        return scans.then({1, 2, 0}, codes).then({3, 63, 0}, all_end).end();
    };
    CHECK(two(all_end) == Reason::none);
    CHECK(two("001001" + std::string("01000")) == Reason::none);
    CHECK(two("001001" + all_end) == Reason::corrupt);  // a block too many
    CHECK(two("001001001" + all_end) == Reason::corrupt);
    CHECK(two("01010") == Reason::corrupt);
    CHECK(two("1111") == Reason::corrupt);  // no code
}

// Each bit once, averages first, and all of them.
void jpeg_progression() {
    const auto begun = [] { return Progressive().averages().refined_averages(); };
    CHECK(begun().rest(0).refined(all_end).end() == Reason::none);
    CHECK(begun().end() == Reason::corrupt);
    CHECK(begun().rest(0).end() == Reason::corrupt);
    CHECK(begun().then({1, 62, 0}, all_end).end() == Reason::corrupt);
    CHECK(Progressive().averages().rest(0).refined(all_end).end() == Reason::corrupt);
    CHECK(Progressive().rest(0).refined(all_end).averages().refined_averages().end() ==
          Reason::corrupt);
    CHECK(begun().refined(all_end).end() == Reason::corrupt);
    CHECK(begun().refined_averages().rest(0).refined(all_end).end() == Reason::corrupt);
    CHECK(begun().rest(0).rest(0).refined(all_end).end() == Reason::corrupt);
    CHECK(begun().rest(0).then({1, 63, 0x20}, all_end).refined(all_end).end() == Reason::corrupt);
    for (const Bytes& wrong : {Bytes{1, 64, 0}, Bytes{5, 4, 0}, Bytes{1, 63, 14}}) {
        CHECK(begun().rest(0).refined(all_end).then(wrong, all_end).end() == Reason::corrupt);
    }
    CHECK(Progressive().then({0, 63, 0}, times(blocks, "0010")).end() == Reason::corrupt);

    // Only averages stand together.
    const Bytes colours = soi + frame(0xC2, 20, 17, 3);
    const Bytes averages = scan_header(3, 0, {0, 0, 0}) + packed(times(3 * blocks, "00"));
    const Bytes band = {1, 63, 0};
    Bytes alone;
    for (std::uint8_t i = 0; i < 3; ++i) {
        alone = alone + scan_header(1, i, band) + packed(times(blocks, "1010"));
    }
    const Bytes together = scan_header(3, 0, band) + packed(times(3 * blocks, "1010"));
    CHECK(reason(colours + averages + alone + eoi) == Reason::none);
    CHECK(reason(colours + averages + together + eoi) == Reason::corrupt);
}

}  // namespace

int main() {
    jpeg_structure();
    jpeg_tables();
    jpeg_kinds();
    jpeg_codes();
    jpeg_restarts();
    jpeg_sampling();
    jpeg_progressive();
    jpeg_progression();
    return check_result();
}
