// Digests against what the reference implementation's `xxh128sum` prints.
#include "bloodcell/digest.hpp"

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "check.hpp"

namespace {

std::string hex_of_digest(std::size_t size) {
    std::vector<std::uint8_t> bytes(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(i % 251);
    std::string hex;
    for (const std::uint8_t byte : bloodcell::digest_of(bytes.data(), size)) {
        char digits[3];
        std::snprintf(digits, sizeof digits, "%02x", byte);
        hex += digits;
    }
    return hex;
}

// Short ones XXH3 takes otherwise than long ones.
void digests_are_those_of_the_reference() {
    CHECK(hex_of_digest(1) == "a6cd5e9392000f6ac44bdff4074eecdb");
    CHECK(hex_of_digest(100) == "da95ef16fd9566f329b20ba5f03ec01e");
    CHECK(hex_of_digest(1000) == "18bf41bc8229e27733ef703fb2b20ed1");
    CHECK(hex_of_digest(100000) == "54182c58bbb1337c42c23aeead96750d");
}

}  // namespace

int main() {
    digests_are_those_of_the_reference();
    return check_result();
}
