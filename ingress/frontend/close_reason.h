// How a public connection ended: `reason` of relayd_funnel_closed_total, in the access log and nowhere else.
#ifndef RELAYD_INGRESS_FRONTEND_CLOSE_REASON_H_
#define RELAYD_INGRESS_FRONTEND_CLOSE_REASON_H_

#include <array>
#include <cstdint>
#include <string_view>

namespace ingress {

enum class CloseReason : uint8_t {
  kNotTls,
  kNoName,
  kBadName,
  kUnknownName,
  kHelloTimeout,
  kHelloTooBig,
  kDenied,
  kSourceLimit,
  kRouteLimit,
  kGlobalLimit,
  kDialFailed,
  kRefused,  // refused_<status>, by the node's last answer.
  kIdle,
  kReset,
  kDone,
  kDrained,
};

inline constexpr std::array<std::string_view, 16> kCloseReasonNames = {
    "not_tls", "no_name",      "bad_name",    "unknown_name", "hello_timeout", "hello_too_big",
    "denied",  "source_limit", "route_limit", "global_limit", "dial_failed",   "refused",
    "idle",    "reset",        "done",        "drained"};

// Statuses with a series of their own, present from the start; any other answer is refused_other.
inline constexpr std::array<int, 8> kRefusedStatuses = {400, 403, 404, 405, 500, 502, 503, 504};

}  // namespace ingress

#endif  // RELAYD_INGRESS_FRONTEND_CLOSE_REASON_H_
