// The header gate on images built byte by byte; test_jpeg.cpp has JPEGs.
#include "built_images.hpp"

namespace {

using namespace built;

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
    CHECK(packed_as(Bytes(2 * 180 - 4, 0x80) + Bytes{0x81, 5, 0xCD, 5}) == Reason::none);
    CHECK(packed_as(Bytes(2 * 180 - 3, 0x80) + Bytes{0x81, 5, 0xCD, 5}) == Reason::corrupt);
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
