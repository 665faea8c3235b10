// Verdicts as the core's tests expect and print them.
#ifndef RELAYD_TESTS_SUPPORT_VERDICTS_H_
#define RELAYD_TESTS_SUPPORT_VERDICTS_H_

#include <array>
#include <ostream>

#include "relay/core/relay_server.h"
#include "tests/support/relay_harness.h"

namespace relay {

inline void PrintTo(const Verdict& v, std::ostream* os) {
  constexpr std::array kActions = {"drop", "forward", "reply", "accepted"};
  *os << kActions[static_cast<size_t>(v.action)];
  if (v.action == Verdict::Action::kDrop) *os << " " << DropReasonName(v.reason);
  if (v.to.remote.port != 0) *os << " to " << v.to.remote.ToString();
}

inline Verdict Dropped(DropReason reason) { return Verdict::Drop(reason); }
inline Verdict ForwardedTo(const test::Client& client) {
  return {.action = Verdict::Action::kForward, .reason = {}, .other_mac = false, .to = client.path()};
}
inline Verdict RepliedTo(const test::Client& client) {
  return {.action = Verdict::Action::kReply, .reason = {}, .other_mac = false, .to = client.path()};
}

}  // namespace relay

#endif  // RELAYD_TESTS_SUPPORT_VERDICTS_H_
