#include "log.hpp"

#include <mutex>

namespace bloodcell {

namespace {

struct Log {
    bloodcell_log_function function = nullptr;
    void* user = nullptr;
};

std::mutex log_mutex;
Log current_log;

}  // namespace

void set_log(bloodcell_log_function log, void* user) {
    const std::lock_guard<std::mutex> lock(log_mutex);
    current_log = {log, user};
}

void log_line(bloodcell_log_level level, const std::string& message) noexcept {
    Log log;
    {
        const std::lock_guard<std::mutex> lock(log_mutex);
        log = current_log;
    }
    // Called without the lock: a callback that sets another one must not wait for itself.
    if (log.function != nullptr) log.function(level, message.c_str(), log.user);
}

}  // namespace bloodcell
