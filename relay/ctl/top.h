// relayctl top: what a relayd does right now.
#ifndef RELAYD_RELAY_CTL_TOP_H_
#define RELAYD_RELAY_CTL_TOP_H_

#include <chrono>

#include "relay/client/api_client.h"

namespace relay::ctl {

struct TopOptions {
  std::chrono::nanoseconds interval = std::chrono::seconds(1);
  bool once = false;  // One sample over one interval, without a screen.
};

// Until q, Ctrl-C or a signal; a relayd that cannot be reached is shown, not fatal (but is with `once`). Returns the
// exit status.
int Top(const client::ApiClient& metrics, const TopOptions& options);

}  // namespace relay::ctl

#endif  // RELAYD_RELAY_CTL_TOP_H_
