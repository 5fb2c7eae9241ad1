// The C++ tests' whole framework: CHECK prints what failed and makes the test fail, and goes on.
#pragma once

#include <cstdio>
#include <stdexcept>
#include <string>

inline int check_failures = 0;

// Not assert(): release builds would leave it out.
#define CHECK(condition)                                                                 \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            std::fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
            ++check_failures;                                                            \
        }                                                                                \
    } while (false)

// The message with which the action refuses; "" if it does not.
template <typename Action>
std::string refusal(Action action) {
    try {
        action();
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "";
}

// What main() returns.
inline int check_result() { return check_failures == 0 ? 0 : 1; }
