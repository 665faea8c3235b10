#include "relay/flags_funnel.h"

#include <gflags/gflags.h>

#include <algorithm>

#include "relay/control/flag_values.h"
#include "relay/flags.h"

DEFINE_string(funnel_listen, "",
              "Funnel: where public clients are accepted, addr:port by comma; addr:port=PORT if they see another port "
              "(behind a port forwarding); default: nowhere");
DEFINE_uint32(ingress_threads, 1, "Funnel: threads that carry its connections");
DEFINE_string(serve_config, "",
              "Funnel: makes relayd a node as well, which serves by this file what an ingress brings to its API");
DEFINE_string(access_log, "", "Funnel: file for a JSON line per connection, opened anew on SIGHUP; default: stderr");
DEFINE_string(hello_timeout, "5s", "Funnel: how long a client may take for its TLS ClientHello");
DEFINE_uint32(hello_cap, 16'384, "Funnel: most bytes of a ClientHello");
DEFINE_string(funnel_dial_timeout, "5s", "Funnel: how long a node may take to accept, and again to answer");
DEFINE_string(funnel_idle_timeout, "1h", "Funnel: without a byte for so long a connection ends");

namespace relay {
namespace {

// `addr:port` or `addr:port=public port`.
absl::Status ReadFunnelListener(std::string_view entry, ingress::FrontendOptions::Listener& out) {
  static constexpr uint16_t kHttpPort = 80;
  const size_t equals = entry.find('=');
  const std::string addr(entry.substr(0, equals));
  if (absl::Status status = ReadListen("funnel_listen", addr, out.addr); !status.ok()) return status;
  if (equals != std::string_view::npos) {
    const std::optional<uint16_t> port = text::ParseNumber<uint16_t>(entry.substr(equals + 1));
    if (!port || *port == 0) return Wrong("funnel_listen", entry, "the public port is not of 1 to 65535");
    out.public_port = *port;
  }
  if ((out.public_port != 0 ? out.public_port : out.addr.port) == kHttpPort) {
    return Wrong("funnel_listen", entry, "port 80 is not served: Funnel is TLS alone");
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<AddrPort> Options::OwnListeners() const {
  std::vector<AddrPort> own = {control.api_listen, metrics_listen};
  for (const ingress::FrontendOptions::Listener& listener : funnel.listen) own.push_back(listener.addr);
  return own;
}

absl::Status ReadFunnel(ingress::FrontendOptions& funnel, std::string& serve_config) {
  for (const std::string_view entry : text::Split(FLAGS_funnel_listen, ',')) {
    if (FLAGS_funnel_listen.empty()) break;
    ingress::FrontendOptions::Listener listener;
    if (absl::Status status = ReadFunnelListener(text::Trim(entry), listener); !status.ok()) return status;
    const auto same = [&](const auto& other) { return other.addr == listener.addr; };
    // Any number of free ones is different ports.
    if (listener.addr.port != 0 && std::any_of(funnel.listen.begin(), funnel.listen.end(), same)) {
      return Wrong("funnel_listen", FLAGS_funnel_listen, text::Cat(listener.addr.ToString(), " stands here twice"));
    }
    funnel.listen.push_back(listener);
  }
  for (const absl::Status& status :
       {ReadNumber("ingress_threads", FLAGS_ingress_threads, 1, 64),
        ReadNumber("hello_cap", FLAGS_hello_cap, 512, 64'000),
        ReadDuration("hello_timeout", FLAGS_hello_timeout, funnel.hello_timeout),
        ReadDuration("funnel_dial_timeout", FLAGS_funnel_dial_timeout, funnel.dial_timeout),
        ReadDuration("funnel_idle_timeout", FLAGS_funnel_idle_timeout, funnel.idle_timeout)}) {
    if (!status.ok()) return status;
  }
  funnel.threads = FLAGS_ingress_threads;
  funnel.hello_cap = FLAGS_hello_cap;
  funnel.access_log = FLAGS_access_log;
  serve_config = FLAGS_serve_config;
  return absl::OkStatus();
}

}  // namespace relay
