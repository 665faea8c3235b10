// Durations in Go's syntax (time.Duration.String, time.ParseDuration): "30s", "5m0s", "1.5h".
#ifndef RELAYD_DISCO_GO_DURATION_H_
#define RELAYD_DISCO_GO_DURATION_H_

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace disco {

std::string FormatGoDuration(std::chrono::nanoseconds d);
std::optional<std::chrono::nanoseconds> ParseGoDuration(
    std::string_view text);  // nullopt: not of that form, or overflow.

}  // namespace disco

#endif  // RELAYD_DISCO_GO_DURATION_H_
