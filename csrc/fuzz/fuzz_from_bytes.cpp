// What an accumulator is read from, on whatever libFuzzer comes up with; built as fuzz_gate.cpp is.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "bloodcell/accumulator.hpp"

namespace {

using bloodcell::Accumulator;

// Bytes are refused, or they are those of the state that they stand for; then so are those of a
// merge, unless that is refused for sums that are too large.
void read(std::string_view bytes) {
    try {
        Accumulator read = Accumulator::from_bytes(bytes);
        if (read.to_bytes() != bytes) std::abort();
        const Accumulator other = read;
        read.merge(other);
        const std::string merged = read.to_bytes();
        if (Accumulator::from_bytes(merged).to_bytes() != merged) std::abort();
    } catch (const std::invalid_argument&) {
    }
}

// The next byte that the fuzzer gives; 0 at the end.
struct Input {
    const std::uint8_t* data;
    std::size_t size;

    std::uint8_t next() { return size == 0 ? std::uint8_t{0} : (--size, *data++); }
};

// What some cells come to, two bytes each.
std::string written(Input& input) {
    const int patients = 1 + input.next() % 3;
    Accumulator accumulator(patients, {{true, true}, {false, true}, {false, false}},
                            1 + input.next() % 4);
    for (int cells = input.next() % 16; cells > 0; --cells) {
        const std::int32_t patient = input.next() % patients;
        const float blast = static_cast<float>(input.next()) / 255.0F;
        const float probabilities[] = {blast, (1 - blast) / 2, (1 - blast) / 2};
        const std::int64_t row = cells;
        accumulator.add(&patient, &row, probabilities, 1);
    }
    return accumulator.to_bytes();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    read({reinterpret_cast<const char*>(data), size});
    // Mutations seldom keep what bytes begin with and how long they are: so real ones, changed at
    // some places.
    Input input{data, size};
    std::string bytes = written(input);
    if (Accumulator::from_bytes(bytes).to_bytes() != bytes) std::abort();
    while (input.size > 2) {
        const std::size_t place = (std::size_t{input.next()} << 8 | input.next()) % bytes.size();
        bytes[place] = static_cast<char>(input.next());
    }
    read(bytes);
    return 0;
}
