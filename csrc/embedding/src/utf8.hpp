// Whether text is UTF-8.
#pragma once

#include <string_view>

namespace bloodcell {

// As RFC 3629 has it: the shortest form, no surrogates, up to U+10FFFF.
bool is_utf8(std::string_view text);

}  // namespace bloodcell
