// The header gate on images built byte by byte; 20 x 17 pixels where nothing else is said.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bloodcell/gate.hpp"
#include "check.hpp"

namespace {

using bloodcell::Format;
using bloodcell::ImageHeader;
using bloodcell::Reason;
using Bytes = std::vector<std::uint8_t>;

ImageHeader inspect(const Bytes& bytes, const bloodcell::Limits& limits = {}) {
    // An allocation of exactly this size, so that the sanitizer sees a read one byte past it.
    const std::unique_ptr<std::uint8_t[]> exact(new std::uint8_t[bytes.size()]);
    std::copy(bytes.begin(), bytes.end(), exact.get());
    return bloodcell::inspect(exact.get(), bytes.size(), limits);
}

Reason reason(const Bytes& bytes, const bloodcell::Limits& limits = {}) {
    return inspect(bytes, limits).reason;
}

// Passes, and the header says whether Pillow must rewrite it.
bool is_rewritten(const Bytes& bytes) {
    const ImageHeader header = inspect(bytes);
    return header.reason == Reason::none && header.needs_rewriting;
}

bool is_direct(const Bytes& bytes) {
    const ImageHeader header = inspect(bytes);
    return header.reason == Reason::none && !header.needs_rewriting;
}

Bytes operator+(Bytes left, const Bytes& right) {
    left.insert(left.end(), right.begin(), right.end());
    return left;
}

Bytes text(const char* letters) {
    Bytes bytes;
    for (; *letters != '\0'; ++letters) bytes.push_back(static_cast<std::uint8_t>(*letters));
    return bytes;
}

Bytes number(std::uint64_t value, int width, bool big_endian) {
    Bytes bytes;
    for (int i = 0; i < width; ++i) {
        const int shift = 8 * (big_endian ? width - 1 - i : i);
        bytes.push_back(static_cast<std::uint8_t>(value >> shift));
    }
    return bytes;
}
Bytes be(std::uint64_t value, int width) { return number(value, width, true); }
Bytes le(std::uint64_t value, int width) { return number(value, width, false); }

void every_prefix_is_rejected(const Bytes& whole) {
    CHECK(reason(whole) == Reason::none);
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const Bytes prefix(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
        CHECK(reason(prefix) != Reason::none);
    }
}

// --- JPEG

Bytes segment(std::uint8_t marker, const Bytes& payload) {
    return Bytes{0xFF, marker} + be(payload.size() + 2, 2) + payload;
}

Bytes frame(std::uint8_t marker, unsigned width, unsigned height, std::uint8_t components,
            std::uint8_t precision = 8, std::uint8_t first_factors = 0x11) {
    Bytes payload = Bytes{precision} + be(height, 2) + be(width, 2) + Bytes{components};
    for (std::uint8_t i = 0; i < components; ++i) {
        payload = payload + Bytes{i, i == 0 ? first_factors : std::uint8_t{0x11}, 0};
    }
    return segment(marker, payload);
}

Bytes scan_header(std::uint8_t components, std::uint8_t first = 0) {
    Bytes payload = {components};
    for (std::uint8_t i = 0; i < components; ++i) {
        payload = payload + Bytes{static_cast<std::uint8_t>(first + i), 0};
    }
    return segment(0xDA, payload + Bytes{0, 63, 0});
}

std::string times(unsigned count, const std::string& bits) {
    std::string all;
    for (unsigned i = 0; i < count; ++i) all += bits;
    return all;
}

// Bits as they stand in a scan: padded, and a zero behind each 0xFF.
Bytes packed(std::string bits, char padding = '1') {
    while (bits.size() % 8 != 0) bits += padding;
    Bytes bytes;
    for (std::size_t at = 0; at < bits.size(); at += 8) {
        bytes.push_back(static_cast<std::uint8_t>(std::stoi(bits.substr(at, 8), nullptr, 2)));
        if (bytes.back() == 0xFF) bytes.push_back(0);
    }
    return bytes;
}

// By the standard's tables of luminance: an average as before, and the end of the block.
const std::string empty_block = "001010";
constexpr unsigned blocks = 9;  // of 20 x 17 pixels

// All of a picture without a coefficient, and a fill byte.
Bytes scan(std::uint8_t components, const std::string& block = empty_block) {
    return scan_header(components) + packed(times(blocks * components, block)) + Bytes{0xFF};
}

const Bytes magic = {0xFF, 0xD8};
const Bytes eoi = {0xFF, 0xD9};

Bytes quantization(std::uint8_t slot) {
    return segment(0xDB, Bytes{slot} + Bytes(slot < 16 ? 64 : 128, 1));
}
// One code of one bit.
Bytes huffman(std::uint8_t slot, std::uint8_t symbol = 0) {
    return segment(0xC4, Bytes{slot, 1} + Bytes(15, 0) + Bytes{symbol});
}

const Bytes soi = magic + quantization(0);

void jpeg_structure() {
    const Bytes thumbnail = segment(0xE1, text("Exif") + soi + frame(0xC0, 8, 8, 3) + eoi);
    const Bytes good = soi + thumbnail + frame(0xC0, 20, 17, 3) + scan(3) + eoi;
    const ImageHeader header = inspect(good);
    CHECK(header.reason == Reason::none && header.format == Format::jpeg);
    CHECK(header.width == 20 && header.height == 17);
    every_prefix_is_rejected(good);
    every_prefix_is_rejected(soi + frame(0xC2, 20, 17, 3) + scan(3) + scan(1) + scan(1) + eoi);
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
    // The scans here are of averages.
    CHECK(with(good + huffman(0, 16), 0xC2) == Reason::corrupt);
    CHECK(with(good + segment(0xC4, Bytes{0x10} + all_ones), 0xC2) == Reason::none);

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

// --- PNG

const Bytes png_magic = Bytes{0x89} + text("PNG\r\n") + Bytes{0x1A, '\n'};
const Bytes ihdr_data = be(20, 4) + be(17, 4) + Bytes{8, 2, 0, 0, 0};  // 8-bit RGB

std::uint32_t crc_of(const Bytes& bytes) {
    std::uint32_t crc = 0xFFFFFFFFU;
    for (const std::uint8_t byte : bytes) {
        crc ^= byte;
        for (int bit = 0; bit < 8; ++bit) crc = (crc & 1U) ? (crc >> 1) ^ 0xEDB88320U : crc >> 1;
    }
    return ~crc;
}

// `damage` is added to the checksum.
Bytes chunk(const char* type, const Bytes& data, std::uint32_t damage = 0) {
    return be(data.size(), 4) + text(type) + data + be(crc_of(text(type) + data) + damage, 4);
}

Bytes ihdr(const Bytes& data) { return chunk("IHDR", data); }

void png_structure() {
    const Bytes idat = chunk("IDAT", Bytes(9, 7));
    const Bytes iend = chunk("IEND", {});
    const Bytes good = png_magic + ihdr(ihdr_data) + chunk("tEXt", text("x")) + idat + iend;
    const ImageHeader header = inspect(good);
    CHECK(header.reason == Reason::none && header.format == Format::png);
    CHECK(header.width == 20 && header.height == 17);
    every_prefix_is_rejected(good);
    CHECK(is_direct(good) && !header.is_deep);
    CHECK(is_rewritten(png_magic + ihdr(ihdr_data) + chunk("acTL", be(1, 8)) + idat + iend));
    const Bytes deep_kind = be(20, 4) + be(17, 4) + Bytes{16, 2, 0, 0, 0};
    CHECK(inspect(png_magic + ihdr(deep_kind) + idat + iend).is_deep);

    CHECK(reason(png_magic + ihdr(ihdr_data) + iend) == Reason::corrupt);
    CHECK(reason(png_magic + ihdr(ihdr_data) + idat) == Reason::truncated);
    CHECK(reason(png_magic + idat + ihdr(ihdr_data) + iend) == Reason::corrupt);
    const Bytes rotten = chunk("IDAT", Bytes(9, 7), 1);
    CHECK(reason(png_magic + ihdr(ihdr_data) + idat + rotten + iend) == Reason::corrupt);
    CHECK(reason(png_magic + ihdr(ihdr_data) + rotten) == Reason::truncated);
    CHECK(reason(png_magic + ihdr(ihdr_data) + chunk("tEXt", text("x"), 1) + idat + iend) ==
          Reason::none);
    CHECK(is_rewritten(png_magic + ihdr(ihdr_data) + chunk("acTL", be(1, 8)) + rotten + iend));
    CHECK(reason(png_magic + chunk("IHDR", ihdr_data, 1) + idat + iend) == Reason::corrupt);
    const Bytes palette_kind = be(20, 4) + be(17, 4) + Bytes{8, 3, 0, 0, 0};
    CHECK(reason(png_magic + ihdr(palette_kind) + idat + iend) == Reason::corrupt);
    for (const std::uint32_t damage : {0U, 1U}) {
        const Bytes palette = chunk("PLTE", Bytes(3, 0), damage);
        const Reason expected = damage == 0 ? Reason::none : Reason::corrupt;
        CHECK(reason(png_magic + ihdr(palette_kind) + palette + idat + iend) == expected);
        CHECK(reason(png_magic + ihdr(ihdr_data) + palette + idat + iend) == Reason::none);
    }
    const Bytes odd_kind = be(20, 4) + be(17, 4) + Bytes{3, 2, 0, 0, 0};
    CHECK(reason(png_magic + ihdr(odd_kind) + idat + iend) == Reason::corrupt);
    const Bytes endless = be(0xFFFFFFFF, 4) + text("IDAT") + Bytes(8, 0);
    CHECK(reason(png_magic + ihdr(ihdr_data) + endless) == Reason::corrupt);
}

// --- BMP

Bytes bmp(std::uint64_t width, std::uint64_t height, int bits, std::uint64_t compression,
          const Bytes& pixels, std::uint64_t offset = 54) {
    return text("BM") + le(0, 8) + le(offset, 4) + le(40, 4) + le(width, 4) + le(height, 4) +
           le(1, 2) + le(static_cast<std::uint64_t>(bits), 2) + le(compression, 4) +
           le(pixels.size(), 4) + Bytes(16, 0) + pixels;
}

void bmp_structure() {
    const Bytes good = bmp(20, 17, 24, 0, Bytes(20 * 3 * 17, 1));
    const ImageHeader header = inspect(good);
    CHECK(header.reason == Reason::none && header.format == Format::bmp);
    CHECK(header.width == 20 && header.height == 17);
    every_prefix_is_rejected(good);
    // 21 pixels take 63 bytes, padded to 64.
    CHECK(reason(bmp(21, 17, 24, 0, Bytes(64 * 17, 1))) == Reason::none);
    CHECK(reason(bmp(21, 17, 24, 0, Bytes(63 * 17, 1))) == Reason::truncated);
    const std::uint64_t top_down = 0x100000000U - 17;
    CHECK(inspect(bmp(20, top_down, 32, 0, Bytes(20 * 4 * 17, 1))).height == 17);
    CHECK(reason(bmp(20, 17, 24, 0, Bytes(20 * 3 * 17, 1), 0)) == Reason::corrupt);
    CHECK(reason(bmp(20, 17, 8, 0, Bytes(20 * 17, 1))) == Reason::corrupt);  // no palette
    CHECK(is_rewritten(bmp(20, 17, 16, 0, Bytes(40 * 17, 1))));
    const Bytes pixels(80 * 17, 1);
    const auto masked = [&pixels](int bits, const Bytes& masks) {
        return bmp(20, 17, bits, 3, masks + pixels, 66);
    };
    CHECK(is_direct(masked(32, le(0xFF0000, 4) + le(0xFF00, 4) + le(0xFF, 4))));
    CHECK(is_rewritten(masked(32, le(0xFF000000, 4) + le(0xFF0000, 4) + le(0xFF00, 4))));
    CHECK(is_rewritten(masked(16, le(0xF800, 4) + le(0x7E0, 4) + le(0x1F, 4))));
    CHECK(reason(masked(16, le(0xF00, 4) + le(0xF0, 4) + le(0xF, 4))) == Reason::unsupported);
    CHECK(reason(bmp(20, 17, 32, 3, {})) == Reason::truncated);
    CHECK(reason(bmp(20, 0x80000000U, 24, 0, {})) == Reason::too_large);
}

// --- TIFF

struct Tag {
    std::uint16_t tag;
    std::uint16_t type;  // 3 SHORT, 4 LONG
    std::uint64_t count;
    std::uint64_t value;  // or where the values lie
};

// The directory last, as many writers have it: magic, `pixels` from byte 8 on, directory.
Bytes tiff(const std::vector<Tag>& tags, const Bytes& pixels, bool big_endian = false) {
    const auto put = [big_endian](std::uint64_t value, int width) {
        return number(value, width, big_endian);
    };
    Bytes file = text(big_endian ? "MM" : "II") + put(42, 2) + put(8 + pixels.size(), 4) + pixels;
    file = file + put(tags.size(), 2);
    for (const Tag& tag : tags) {
        file = file + put(tag.tag, 2) + put(tag.type, 2) + put(tag.count, 4);
        const bool is_short = tag.type == 3 && tag.count == 1;
        file = file + (is_short ? put(tag.value, 2) + put(0, 2) : put(tag.value, 4));
    }
    return file;
}

// Gray, two strips of 9 and 8 rows; their offsets and sizes stand in front of the pixels.
std::vector<Tag> gray_tags() {
    return {{256, 3, 1, 20}, {257, 3, 1, 17}, {258, 3, 1, 8}, {259, 3, 1, 1}, {262, 3, 1, 1},
            {273, 4, 2, 8},  {277, 3, 1, 1},  {278, 3, 1, 9}, {279, 4, 2, 16}};
}

Bytes gray_pixels(bool big_endian = false) {
    Bytes table;
    for (const std::uint64_t value : {24U, 24U + 180U, 180U, 160U}) {
        table = table + number(value, 4, big_endian);
    }
    return table + Bytes(340, 5);
}

Reason with_tag(std::uint16_t tag, std::uint16_t type, std::uint64_t count, std::uint64_t value) {
    std::vector<Tag> tags = gray_tags();
    bool found = false;
    for (Tag& known : tags) {
        if (known.tag != tag) continue;
        known = {tag, type, count, value};
        found = true;
    }
    if (!found) tags.push_back({tag, type, count, value});
    return reason(tiff(tags, gray_pixels()));
}

void tiff_structure() {
    for (const bool big_endian : {false, true}) {
        const Bytes good = tiff(gray_tags(), gray_pixels(big_endian), big_endian);
        const ImageHeader header = inspect(good);
        CHECK(header.reason == Reason::none && header.format == Format::tiff);
        CHECK(header.width == 20 && header.height == 17);
        every_prefix_is_rejected(good);
    }
    CHECK(with_tag(279, 4, 2, 8) == Reason::corrupt);  // a strip of 24 bytes for 9 rows of 20
}

void tiff_claims() {
    CHECK(with_tag(256, 4, 1, 70000) == Reason::too_large);
    CHECK(with_tag(256, 3, 1, 0) == Reason::corrupt);
    CHECK(with_tag(256, 2, 1, 20) == Reason::corrupt);  // a width made of text
    std::vector<Tag> twice = gray_tags();
    twice.push_back({256, 3, 1, 16});
    CHECK(reason(tiff(twice, gray_pixels())) == Reason::corrupt);
    CHECK(with_tag(273, 4, 0xFFFFFFFF, 8) == Reason::truncated);
    CHECK(with_tag(273, 4, 2, 0xFFFFFFFF) == Reason::truncated);
    CHECK(with_tag(273, 4, 1, 24) == Reason::corrupt);  // one strip of two
    CHECK(with_tag(278, 3, 1, 0) == Reason::corrupt);
    CHECK(with_tag(278, 4, 1, 1) == Reason::corrupt);
    CHECK(with_tag(322, 4, 1, 16) == Reason::corrupt);  // tiles without a height
    CHECK(with_tag(258, 3, 1, 3) == Reason::unsupported);
    CHECK(with_tag(258, 3, 1, 12) == Reason::unsupported);
    CHECK(with_tag(259, 3, 1, 2) == Reason::unsupported);    // fax, but of 8 bits
    CHECK(with_tag(339, 3, 1, 3) == Reason::unsupported);    // float
    CHECK(with_tag(284, 3, 1, 2) == Reason::none);           // one sample has but one plane
    CHECK(with_tag(270, 2, 0xFFFFFFFF, 8) == Reason::none);  // a description nobody has
    CHECK(with_tag(262, 3, 1, 8) == Reason::unsupported);
}

void tiff_kinds() {
    const auto file_with = [](std::uint16_t tag, std::uint64_t value) {
        std::vector<Tag> tags = gray_tags();
        const auto known = std::find_if(tags.begin(), tags.end(),
                                        [tag](const Tag& other) { return other.tag == tag; });
        if (known == tags.end()) {
            tags.push_back({tag, 3, 1, value});
        } else {
            known->value = value;
        }
        return tiff(tags, gray_pixels());
    };
    CHECK(is_direct(file_with(258, 8)) && !inspect(file_with(258, 8)).is_deep);
    CHECK(is_rewritten(file_with(258, 4)));
    CHECK(is_rewritten(file_with(266, 2)));
    CHECK(is_direct(file_with(262, 0)));
    CHECK(reason(file_with(258, 16)) == Reason::corrupt);  // half of its bytes are missing
    CHECK(is_direct(file_with(254, 1)));                   // alone it is the picture, not a copy
}

// Two strips of 180 and 160 bytes, the first as given.
Reason packed_as(const Bytes& first) {
    std::vector<Tag> tags = gray_tags();
    tags[3].value = 32773;
    const Bytes second = {0x81, 5, 0xE1, 5};  // 128 and 32 times
    const auto size = static_cast<std::uint64_t>(first.size());
    return reason(tiff(
        tags, le(24, 4) + le(24 + size, 4) + le(size, 4) + le(second.size(), 4) + first + second));
}

void tiff_packbits() {
    CHECK(packed_as({0x81, 5, 0xCD, 5}) == Reason::none);
    CHECK(packed_as({0x81, 5, 0x80, 1, 7, 7, 0xCF, 5}) == Reason::none);
    CHECK(packed_as({0x81, 5, 0xCE, 5}) == Reason::corrupt);      // a byte too few
    CHECK(packed_as({0x81, 5, 0xCC, 5}) == Reason::corrupt);      // one too many
    CHECK(packed_as({0x81, 5, 51, 7, 7, 7}) == Reason::corrupt);  // 52 follow, it says
    CHECK(packed_as({0x81, 5, 0xCD}) == Reason::corrupt);
}

// A gray page and behind it another one, whose directory has the tags.
Bytes two_pages(const std::vector<Tag>& first, const std::vector<Tag>& second) {
    const Bytes pixels = gray_pixels();
    const std::uint64_t second_at = 8 + pixels.size() + 2 + 12 * first.size() + 4;
    const Bytes behind = tiff(second, {});
    Bytes file = tiff(first, pixels) + le(second_at, 4);
    file.insert(file.end(), behind.begin() + 8, behind.end());
    return file;
}

void tiff_pages() {
    const std::vector<Tag> same = {{256, 3, 1, 20}, {257, 3, 1, 17}};
    CHECK(reason(two_pages(gray_tags(), same)) == Reason::unsupported);  // channels
    CHECK(is_direct(two_pages(gray_tags(), {{256, 3, 1, 10}, {257, 3, 1, 8}})));
    CHECK(is_direct(two_pages(gray_tags(), {{254, 4, 1, 1}, {256, 3, 1, 20}, {257, 3, 1, 17}})));
    std::vector<Tag> copy = gray_tags();
    copy.insert(copy.begin(), {254, 4, 1, 1});
    CHECK(reason(two_pages(copy, {{256, 3, 1, 200}})) == Reason::unsupported);
    // Pages that follow each other in a ring.
    const Bytes ring = tiff(gray_tags(), gray_pixels()) + le(8 + gray_pixels().size(), 4);
    CHECK(reason(ring) != Reason::none);
}

// --- all

void sides_and_sizes() {
    const auto sides = [](unsigned width, unsigned height, const bloodcell::Limits& limits = {}) {
        const unsigned count = ((width + 7) / 8) * ((height + 7) / 8);
        const Bytes codes = scan_header(1) + packed(times(count, empty_block));
        return reason(soi + frame(0xC0, width, height, 1) + codes + eoi, limits);
    };
    CHECK(sides(16, 16) == Reason::none);
    CHECK(sides(15, 16) == Reason::too_small);
    CHECK(sides(16, 15) == Reason::too_small);
    CHECK(sides(4096, 4096) == Reason::none);
    CHECK(sides(4097, 16) == Reason::too_large);
    CHECK(sides(0, 16) == Reason::corrupt);
    CHECK(sides(16, 0) == Reason::corrupt);
    bloodcell::Limits limits;
    limits.max_file_bytes = 20;
    CHECK(sides(16, 16, limits) == Reason::too_large);

    // A bomb is called by its name even if the file is cut right behind the claim.
    CHECK(reason(soi + frame(0xC0, 65535, 65535, 3)) == Reason::too_large);
    CHECK(reason(png_magic + ihdr(be(70000, 4) + be(70000, 4) + Bytes{8, 2, 0, 0, 0})) ==
          Reason::too_large);
    CHECK(reason(bmp(70000, 70000, 24, 0, {})) == Reason::too_large);
    const Bytes cut_directory = text("II") + le(42, 2) + le(8, 4) + le(9, 2) + le(256, 2) +
                                le(4, 2) + le(1, 4) + le(70000, 4) + le(257, 2) + le(4, 2) +
                                le(1, 4) + le(70000, 4);
    CHECK(reason(cut_directory) == Reason::too_large);
}

void other_bytes() {
    CHECK(bloodcell::inspect(nullptr, 0, {}).reason == Reason::empty);
    CHECK(reason(text("hello, this is not an image")) == Reason::not_an_image);
    CHECK(reason({0xFF}) == Reason::not_an_image);
    CHECK(reason(text("GIF89a")) == Reason::unsupported);
    for (const char* magic : {"BM", "II*", "MM"}) CHECK(reason(text(magic)) != Reason::none);
}

}  // namespace

int main() {
    jpeg_structure();
    jpeg_tables();
    jpeg_kinds();
    jpeg_codes();
    jpeg_restarts();
    jpeg_sampling();
    png_structure();
    bmp_structure();
    tiff_structure();
    tiff_claims();
    tiff_kinds();
    tiff_packbits();
    tiff_pages();
    sides_and_sizes();
    other_bytes();
    return check_result();
}
