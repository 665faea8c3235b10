// What a public connection says first: a PROXY header where one is due, then a TLS hello. No I/O.
#ifndef RELAYD_INGRESS_FRONTEND_HELLO_INTAKE_H_
#define RELAYD_INGRESS_FRONTEND_HELLO_INTAKE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ingress/client_hello.h"
#include "ingress/frontend/close_reason.h"
#include "ingress/proxy_protocol.h"

namespace ingress {

class HelloIntake {
 public:
  enum class State : uint8_t { kReading, kDone, kRefused };

  // `proxied`: a PROXY header comes first, or the connection is refused.
  HelloIntake(size_t cap, bool proxied) : reader_(cap), cap_(cap), awaits_proxy_(proxied) {}

  // The next bytes.
  State Feed(std::string_view bytes);
  // How many bytes to take from the socket at most: what the client sends behind its hello can wait there.
  size_t room() const {
    const size_t most = cap_ + (awaits_proxy_ ? kMaxProxyHeaderSize : 0);
    return most - std::min(most, bytes_.size());  // What stood behind a PROXY header may be more than the cap.
  }

  bool awaits_proxy() const { return awaits_proxy_; }
  // Once it is read, if there was one and it speaks of another connection than the proxy's own.
  const std::optional<ProxyHeader>& proxy() const { return proxy_; }
  const std::string& server_name() const { return reader_.hello().server_name; }  // Of kDone; empty: none.
  std::string_view bytes() const { return bytes_; }                               // All that is the node's.
  CloseReason reason() const { return reason_; }                                  // Of kRefused.

 private:
  State Refuse(CloseReason reason);

  ClientHelloReader reader_;
  size_t cap_;
  bool awaits_proxy_;
  std::optional<ProxyHeader> proxy_;
  std::string bytes_;
  CloseReason reason_ = CloseReason::kNotTls;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_FRONTEND_HELLO_INTAKE_H_
