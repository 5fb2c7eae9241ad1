// The border between C and C++: nothing is thrown across it, and structs may be of other versions.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>

#include "failure.hpp"

namespace bloodcell {

// The status of the exception that is being handled; its message becomes the thread's last error.
bloodcell_status status_of_exception() noexcept;
const char* last_error() noexcept;

template <typename Action>
int guarded(const Action& action) noexcept {
    try {
        action();
        return BLOODCELL_OK;
    } catch (...) {
        return status_of_exception();
    }
}

template <typename T>
T& checked(T* pointer, const char* name) {
    if (pointer == nullptr) throw bad_argument(std::string(name) + " is null");
    return *pointer;
}

// Also fails for a count of which the bytes cannot be counted.
template <typename T>
void check_array(const T* array, std::size_t count, const char* name) {
    if (count > 0 && array == nullptr) throw bad_argument(std::string(name) + " is null");
    if (count > (std::size_t{1} << 40) / sizeof(T)) {
        throw bad_argument(std::string(name) + " has " + std::to_string(count) + " elements");
    }
}

// oldest: bytes of the struct in the first version that had it.
template <typename Struct>
std::size_t checked_size(const Struct* structure, const char* name, std::size_t oldest) {
    const std::size_t size = checked(structure, name).struct_size;
    if (size < oldest || size > 65536) {
        throw bad_argument(std::string(name) + ".struct_size is " + std::to_string(size) + ", " +
                           std::to_string(sizeof(Struct)) +
                           " is expected: set it to the size of "
                           "the struct");
    }
    return size;
}

// What the caller's version of a struct knows of ours; what it does not know is 0.
template <typename Struct>
Struct taken(const Struct* structure, const char* name, std::size_t oldest) {
    const std::size_t size = checked_size(structure, name, oldest);
    Struct ours{};
    std::memcpy(&ours, structure, std::min(size, sizeof(Struct)));
    return ours;
}

// Fills what the caller's version of a struct has room for; struct_size stays the caller's.
template <typename Struct>
void give(Struct ours, Struct* structure, const char* name, std::size_t oldest) {
    const std::size_t size = checked_size(structure, name, oldest);
    ours.struct_size = size;
    std::memcpy(structure, &ours, std::min(size, sizeof(Struct)));
}

}  // namespace bloodcell
