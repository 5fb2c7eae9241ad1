// SHA-256 (FIPS 180-4), by which a card names the weights that belong to it.
//
// Written here because a library for it would be one more thing that every scanner has to ship:
// what is to be had as a package is OpenSSL's libcrypto and its like, none a header alone.
#pragma once

#include <string>
#include <string_view>

namespace bloodcell {

// In 64 hexadecimal digits, lower case.
std::string sha256_of(std::string_view bytes);

}  // namespace bloodcell
