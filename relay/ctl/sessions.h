// GET /v0/relay/sessions, page after page.
#ifndef RELAYD_RELAY_CTL_SESSIONS_H_
#define RELAYD_RELAY_CTL_SESSIONS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "relay/client/api_client.h"

namespace relay::ctl {

struct SessionClient {
  std::string endpoint;  // Empty: not bound.
  std::string short_disco;
  uint64_t packets_tx = 0;
  uint64_t bytes_tx = 0;
};

struct Session {
  uint32_t vni = 0;
  std::array<SessionClient, 2> clients;
};

struct SessionPage {
  uint16_t udp_port = 0;
  std::vector<Session> sessions;  // Ascending VNI.
};

absl::StatusOr<SessionPage> ParseSessionPage(std::string_view json);

// All sessions, page by page.
absl::StatusOr<SessionPage> FetchSessions(const client::ApiClient& api);

// One session as the API writes it, and as two rows of a table.
std::string SessionToJson(const Session& session);
std::string SessionTableHead();
std::string SessionToRows(const Session& session);

}  // namespace relay::ctl

#endif  // RELAYD_RELAY_CTL_SESSIONS_H_
