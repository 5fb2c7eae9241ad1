// The header gate on whatever libFuzzer comes up with; needs clang.
//
//     CC=clang CXX=clang++ cmake -S . -B build/fuzz -DBLOODCELL_BUILD_FUZZERS=ON
//         -DBLOODCELL_BUILD_EXTENSION=OFF
//     cmake --build build/fuzz && build/fuzz/fuzz_gate -max_total_time=60 SEEDS
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "bloodcell/gate.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const bloodcell::ImageHeader header = bloodcell::inspect(data, size, {});
    // What passes has sides within the limits: nothing else bounds what a decoder allocates.
    const bool has_sides =
        header.width >= 16 && header.height >= 16 && header.width <= 4096 && header.height <= 4096;
    if (header.reason == bloodcell::Reason::none && !has_sides) std::abort();
    return 0;
}
