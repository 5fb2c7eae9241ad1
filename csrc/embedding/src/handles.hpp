// Handles are numbers dressed as pointers: none is used again, so a closed one is always noticed.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "failure.hpp"

namespace bloodcell {

// Of all kinds together, so that a handle of another kind is noticed too.
std::uintptr_t next_handle();

template <typename Object, typename Handle>
class Handles {
public:
    Handle* add(std::shared_ptr<Object> object) {
        const std::lock_guard<std::mutex> lock(mutex_);
        const std::uintptr_t number = next_handle();
        objects_.emplace(number, std::move(object));
        return reinterpret_cast<Handle*>(number);
    }

    // Alive for as long as the caller holds it, even if the handle is closed meanwhile.
    std::shared_ptr<Object> get(const Handle* handle) const {
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto found = objects_.find(reinterpret_cast<std::uintptr_t>(handle));
        if (found == objects_.end()) throw closed(handle == nullptr);
        return found->second;
    }

    void close(const Handle* handle) {
        std::shared_ptr<Object> last;  // ends without the lock
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto found = objects_.find(reinterpret_cast<std::uintptr_t>(handle));
        if (found == objects_.end()) throw closed(handle == nullptr);
        last = std::move(found->second);
        objects_.erase(found);
    }

private:
    static Failure closed(bool is_null) {
        if (is_null) return bad_argument("the handle is null");
        return {BLOODCELL_CLOSED, "the handle was closed, or is none of this kind"};
    }

    mutable std::mutex mutex_;
    std::map<std::uintptr_t, std::shared_ptr<Object>> objects_;
};

}  // namespace bloodcell
