// relayctl funnel …: like the commands of commands.h.
#ifndef RELAYD_RELAY_CTL_FUNNEL_COMMANDS_H_
#define RELAYD_RELAY_CTL_FUNNEL_COMMANDS_H_

#include <string>
#include <string_view>

#include "relay/client/api_client.h"

namespace relay::ctl {

int FunnelRoutes(const client::ApiClient& api, bool as_json);
// `target`: NAME or NAME:PORT. kExitOk: a node takes connections for it, with a certificate that names it and is in
// date.
int FunnelCheck(const client::ApiClient& api, std::string_view target, const std::string& ca_file);
int FunnelClose(const client::ApiClient& api, std::string_view name);

}  // namespace relay::ctl

#endif  // RELAYD_RELAY_CTL_FUNNEL_COMMANDS_H_
