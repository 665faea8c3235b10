// Funnel's flags, for flags.cc.
#ifndef RELAYD_RELAY_FLAGS_FUNNEL_H_
#define RELAYD_RELAY_FLAGS_FUNNEL_H_

#include <string>

#include "absl/status/status.h"
#include "ingress/frontend/frontend.h"

namespace relay {

absl::Status ReadFunnel(ingress::FrontendOptions& funnel, std::string& serve_config);

}  // namespace relay

#endif  // RELAYD_RELAY_FLAGS_FUNNEL_H_
