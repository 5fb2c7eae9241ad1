// Why a call fails: thrown inside of the library, a status and a message outside.
#pragma once

#include <stdexcept>
#include <string>

#include "bloodcell.h"

namespace bloodcell {

class Failure : public std::runtime_error {
public:
    Failure(bloodcell_status status, const std::string& message)
        : std::runtime_error(message), status(status) {}

    bloodcell_status status;
};

inline Failure bad_model(const std::string& message) { return {BLOODCELL_BAD_MODEL, message}; }
inline Failure bad_argument(const std::string& message) {
    return {BLOODCELL_INVALID_ARGUMENT, message};
}

}  // namespace bloodcell
