// The tables that a JPEG defines for its scans; internal to csrc/src.
#pragma once

#include <array>
#include <cstdint>

#include "gate_formats.hpp"

namespace bloodcell::formats {

constexpr unsigned jpeg_table_slots = 4;

// What libjpeg refuses of them, and no more: it fills in Huffman tables that are not defined, and
// looks closely only at those that a scan uses.
class JpegTables {
public:
    // Each takes the payload of one DQT or DHT segment, and says whether it adds up.
    bool define_quantization(Bytes payload) noexcept;
    bool define_huffman(Bytes payload) noexcept;

    bool has_quantization(unsigned slot) const noexcept {
        return slot < jpeg_table_slots && has_quantization_[slot];
    }
    // `kind` 0: of the averages (DC), 1: of the rest (AC).
    bool is_usable_huffman(unsigned kind, unsigned slot) const noexcept {
        return slot < jpeg_table_slots && !is_bad_huffman_[kind][slot];
    }

private:
    std::array<bool, jpeg_table_slots> has_quantization_{};
    std::array<std::array<bool, jpeg_table_slots>, 2> is_bad_huffman_{};
};

}  // namespace bloodcell::formats
