// EAL's arguments as words, before EAL sees them.
#ifndef RELAYD_RELAY_DATAPLANE_EAL_WORDS_H_
#define RELAYD_RELAY_DATAPLANE_EAL_WORDS_H_

#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace relay {

// `line` in words, as a shell has them: by blanks, with '...', "..." and backslashes, and nothing else of a shell.
absl::StatusOr<std::vector<std::string>> SplitWords(const std::string& line);

// The names of the devices that `arguments` ask for (--vdev, -a, --allow), without their parameters.
std::vector<std::string> EalDevices(std::span<const std::string> arguments);

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_EAL_WORDS_H_
