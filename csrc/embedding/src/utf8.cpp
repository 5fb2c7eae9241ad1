#include "utf8.hpp"

#include <cstddef>
#include <cstdint>

namespace bloodcell {

namespace {

// How many bytes follow a first byte, and from which sign on so many are the shortest form.
struct Length {
    std::size_t following;
    std::uint32_t least;
    std::uint32_t bits;  // of the first byte
};

bool length_of(std::uint8_t first, Length& length) {
    if (first < 0x80) {
        length = {0, 0, first};
    } else if ((first & 0xE0) == 0xC0) {
        length = {1, 0x80, first & 0x1Fu};
    } else if ((first & 0xF0) == 0xE0) {
        length = {2, 0x800, first & 0x0Fu};
    } else if ((first & 0xF8) == 0xF0) {
        length = {3, 0x10000, first & 0x07u};
    } else {
        return false;
    }
    return true;
}

bool is_sign(std::uint32_t sign, std::uint32_t least) {
    return sign >= least && sign <= 0x10FFFF && !(sign >= 0xD800 && sign <= 0xDFFF);
}

}  // namespace

bool is_utf8(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        Length length{};
        if (!length_of(static_cast<std::uint8_t>(text[at++]), length)) return false;
        if (text.size() - at < length.following) return false;
        std::uint32_t sign = length.bits;
        for (std::size_t i = 0; i < length.following; ++i) {
            const auto next = static_cast<std::uint8_t>(text[at++]);
            if ((next & 0xC0) != 0x80) return false;
            sign = sign << 6 | (next & 0x3Fu);
        }
        if (!is_sign(sign, length.least)) return false;
    }
    return true;
}

}  // namespace bloodcell
