#include "border.hpp"

#include <atomic>
#include <cstdint>
#include <exception>
#include <new>
#include <stdexcept>

#include "handles.hpp"

namespace bloodcell {

namespace {

thread_local std::string message;

bloodcell_status keep(bloodcell_status status, const char* text) noexcept {
    try {
        message = text;
    } catch (...) {
        message.clear();
    }
    return status;
}

}  // namespace

const char* last_error() noexcept { return message.c_str(); }

bloodcell_status status_of_exception() noexcept {
    try {
        throw;
    } catch (const Failure& failure) {
        return keep(failure.status, failure.what());
    } catch (const std::bad_alloc&) {
        return keep(BLOODCELL_NO_MEMORY, "no memory");
    } catch (const std::exception& error) {
        return keep(BLOODCELL_INTERNAL, error.what());
    } catch (...) {
        return keep(BLOODCELL_INTERNAL, "an exception that is no std::exception");
    }
}

std::uintptr_t next_handle() {
    static std::atomic<std::uintptr_t> last{0};
    // Multiples of 16, as addresses are, far from those of memory.
    return 16 * ++last;
}

}  // namespace bloodcell
