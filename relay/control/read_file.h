// Files that flags name, whole.
#ifndef RELAYD_RELAY_CONTROL_READ_FILE_H_
#define RELAYD_RELAY_CONTROL_READ_FILE_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"

namespace relay {

// A regular file of at most `max_mib` MiB: a FIFO or a terminal would keep its reader waiting. An error is one line
// that begins with the path.
absl::StatusOr<std::string> ReadRegularFile(const std::string& path, size_t max_mib);

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_READ_FILE_H_
