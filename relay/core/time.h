// Time is an argument: the core reads no clock. A burst shares one Instant.
#ifndef RELAYD_RELAY_CORE_TIME_H_
#define RELAYD_RELAY_CORE_TIME_H_

#include <chrono>
#include <cstdint>

namespace relay {

using Instant = std::chrono::steady_clock::time_point;
using Duration = std::chrono::nanoseconds;

// Nanoseconds since the clock's epoch: the form that shared words hold.
constexpr int64_t ToNs(Instant t) { return std::chrono::duration_cast<Duration>(t.time_since_epoch()).count(); }

}  // namespace relay

#endif  // RELAYD_RELAY_CORE_TIME_H_
