// The C++ tests' whole framework: CHECK prints what failed and makes the test fail, and goes on.
#pragma once

#include <cstdio>

inline int check_failures = 0;

#define CHECK(condition)                                                              \
    do {                                                                              \
        if (!(condition)) {                                                           \
            std::fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
            ++check_failures;                                                         \
        }                                                                             \
    } while (false)

// What main() returns.
inline int check_result() { return check_failures == 0 ? 0 : 1; }
