// The one translation unit that compiles toml++; the others see its declarations.
#define TOML_IMPLEMENTATION
#include "toml_reading.hpp"
