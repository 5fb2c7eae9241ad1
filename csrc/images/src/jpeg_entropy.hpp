// Whether the codes of a JPEG's scan hold; internal to csrc/src.
//
// Own code, since no library answers this alone: libjpeg decodes the pixels as well, and what does
// not hold it papers over, with a warning that DALI hides.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "jpeg_tables.hpp"

namespace bloodcell::formats {

constexpr unsigned jpeg_most_components = 4;

// A scan of Huffman codes, as frame and tables say it has to be.
struct JpegScan {
    struct Component {
        unsigned place = 0;  // among the frame's
        // Blocks in a minimum coded unit (MCU), across and down.
        unsigned horizontal = 0, vertical = 0;
        unsigned average_step = 1;
        const HuffmanTable* averages = nullptr;
        const HuffmanTable* rest = nullptr;
    };
    std::array<Component, jpeg_most_components> components{};
    unsigned component_count = 0;
    std::uint32_t units = 0;
    std::uint32_t restart_interval = 0;  // in units; 0: none
};

// Of a sequential JPEG. Where the marker behind the scan's codes stands, with its fill bytes; 0 if
// they do not hold. `begin` is where they begin.
std::size_t end_of_codes(Bytes file, std::size_t begin, const JpegScan& scan) noexcept;

}  // namespace bloodcell::formats
