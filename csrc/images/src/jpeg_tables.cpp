#include "jpeg_tables.hpp"

#include <algorithm>

namespace bloodcell::formats {
namespace {

constexpr std::uint64_t values_in_quantization = 64;
constexpr std::uint64_t most_codes = 256;
constexpr std::uint8_t largest_dc_symbol = 15;

// Whether there are as many codes of each length as fit beside the shorter ones. The code of ones
// alone is reserved (T.81, annex C).
bool is_prefix_code(const std::uint8_t* codes_of_length) noexcept {
    std::uint64_t code = 0;
    for (unsigned length = 1; length <= jpeg_longest_code; ++length, code *= 2) {
        code += codes_of_length[length - 1];
        if (code >= std::uint64_t{1} << length) return false;
    }
    return true;
}

}  // namespace

bool JpegTables::define_quantization(Bytes payload) noexcept {
    std::uint64_t at = 0;
    while (at < payload.size) {
        const unsigned slot = payload.data[at] & 15U;
        const std::uint64_t value_size = payload.data[at] >> 4 != 0 ? 2 : 1;
        if (slot >= jpeg_table_slots) return false;
        if (!payload.has(at, 1 + value_size * values_in_quantization)) return false;
        has_quantization_[slot] = true;
        average_step_[slot] =
            static_cast<unsigned>(payload.big_endian(at + 1, static_cast<unsigned>(value_size)));
        at += 1 + value_size * values_in_quantization;
    }
    return true;
}

bool JpegTables::define_huffman(Bytes payload) noexcept {
    std::uint64_t at = 0;
    while (payload.has(at, 1 + jpeg_longest_code)) {
        const unsigned kind = payload.data[at] >> 4, slot = payload.data[at] & 15U;
        const std::uint8_t* const codes_of_length = payload.data + at + 1;
        std::uint64_t codes = 0;
        for (unsigned i = 0; i < jpeg_longest_code; ++i) codes += codes_of_length[i];
        at += 1 + jpeg_longest_code;
        if (kind > 1 || slot >= jpeg_table_slots || codes > most_codes || !payload.has(at, codes)) {
            return false;
        }
        const std::uint8_t* const symbols = payload.data + at;
        const bool has_bad_symbol =
            kind == 0 && std::any_of(symbols, symbols + codes, [](std::uint8_t symbol) {
                return symbol > largest_dc_symbol;
            });
        const bool is_bad = has_bad_symbol || !is_prefix_code(codes_of_length);
        huffman_[kind][slot] = {codes_of_length, symbols, is_bad};
        at += codes;
    }
    return at == payload.size;
}

const HuffmanTable* JpegTables::huffman(unsigned kind, unsigned slot) const noexcept {
    constexpr unsigned standard_slots = 2;
    if (slot >= jpeg_table_slots) return nullptr;
    const HuffmanTable& own = huffman_[kind][slot];
    if (own.codes_of_length != nullptr) return own.is_bad ? nullptr : &own;
    return slot < standard_slots ? &standard_huffman(kind, slot) : nullptr;
}

}  // namespace bloodcell::formats
