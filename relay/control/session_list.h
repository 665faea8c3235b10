// GET /v0/relay/sessions: the live endpoints as the reference's ServerStatus (tailscale net/udprelay/status) in JSON.
#ifndef RELAYD_RELAY_CONTROL_SESSION_LIST_H_
#define RELAYD_RELAY_CONTROL_SESSION_LIST_H_

#include <cstdint>
#include <string>
#include <utility>

#include "relay/core/endpoint_table.h"

namespace relay {

inline constexpr uint32_t kDefaultSessions = 1000;
inline constexpr uint32_t kMaxSessions = 10'000;

// Built in steps, so that none takes the control thread long; endpoints may come and go in between. Control thread.
class SessionList {
 public:
  // At most `limit` endpoints with VNIs above `after`.
  SessionList(EndpointTable& table, uint16_t udp_port, uint32_t after, uint32_t limit);

  // Writes at most `budget` endpoints more; true once all are there.
  bool Step(uint32_t budget);
  std::string TakeJson() { return std::move(json_); }

 private:
  EndpointTable& table_;
  uint32_t last_vni_;
  uint32_t left_;
  bool first_ = true;
  std::string json_;
};

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_SESSION_LIST_H_
