// The tables that a JPEG defines for its scans; internal to csrc/src.
#pragma once

#include <array>
#include <cstdint>

#include "gate_formats.hpp"

namespace bloodcell::formats {

constexpr unsigned jpeg_table_slots = 4;
constexpr unsigned jpeg_longest_code = 16;

// As a DHT segment has it: how many codes have each length, and what they mean, in order of the
// codes.
struct HuffmanTable {
    const std::uint8_t* codes_of_length = nullptr;  // of 1 to 16 bits
    const std::uint8_t* symbols = nullptr;
    bool is_bad = false;
};

// What libjpeg refuses of them, and no more: it fills in Huffman tables that are not defined, and
// looks closely only at those that a scan uses. Points into the file, which must outlive it.
class JpegTables {
public:
    // Each takes the payload of one DQT or DHT segment, and says whether it adds up.
    bool define_quantization(Bytes payload) noexcept;
    bool define_huffman(Bytes payload) noexcept;

    bool has_quantization(unsigned slot) const noexcept {
        return slot < jpeg_table_slots && has_quantization_[slot];
    }
    // By what the averages were divided.
    unsigned average_step(unsigned slot) const noexcept { return average_step_[slot]; }

    // `kind` 0: of the averages (DC), 1: of the rest (AC). Null if it cannot be used.
    const HuffmanTable* huffman(unsigned kind, unsigned slot) const noexcept;

private:
    std::array<bool, jpeg_table_slots> has_quantization_{};
    std::array<unsigned, jpeg_table_slots> average_step_{};
    std::array<std::array<HuffmanTable, jpeg_table_slots>, 2> huffman_{};
};

// The tables of T.81, annex K.3: of luminance, of chrominance. JPEGs cut from a film have none of
// their own and mean these.
const HuffmanTable& standard_huffman(unsigned kind, unsigned slot) noexcept;

}  // namespace bloodcell::formats
