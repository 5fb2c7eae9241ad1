// The process's log callback.
#pragma once

#include <string>

#include "bloodcell.h"

namespace bloodcell {

void set_log(bloodcell_log_function log, void* user);
// Silent where no callback is set.
void log_line(bloodcell_log_level level, const std::string& message) noexcept;

}  // namespace bloodcell
