// The sockets that the public connects to: those that systemd has opened, else our own.
#ifndef RELAYD_INGRESS_FRONTEND_PUBLIC_LISTENERS_H_
#define RELAYD_INGRESS_FRONTEND_PUBLIC_LISTENERS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ingress/frontend/frontend.h"
#include "relay/control/fd.h"

namespace ingress {

// Shared by all threads; closed with the last one that lets go of it. systemd has its sockets still, so connections
// that come then wait for the next relayd.
struct PublicListener {
  relay::Fd fd;
  AddrPort local;
  uint16_t port;  // That clients see.
};
using PublicListeners = std::vector<PublicListener>;

// One for each of options.listen, in its order. What systemd has passed and nobody listed is left alone, with a
// warning.
absl::StatusOr<std::shared_ptr<const PublicListeners>> OpenPublicListeners(const FrontendOptions& options,
                                                                           std::vector<std::string>& warnings);

}  // namespace ingress

#endif  // RELAYD_INGRESS_FRONTEND_PUBLIC_LISTENERS_H_
