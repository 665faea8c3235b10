// The serve config: any text is a config or a one-line error, and a config holds what its readers rely on.
#include <algorithm>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ingress/node/serve_config.h"
#include "tests/fuzz/check.h"

namespace {

using fuzz::Check;
using ingress::AddrPort;
using ingress::Backend;
using ingress::HostPort;
using ingress::ServeConfig;

const std::vector<AddrPort> kOwn = {AddrPort::Parse("127.0.0.1:9640").value(), AddrPort::Parse("0.0.0.0:9642").value()};

bool IsPlain(std::string_view s) {
  return std::all_of(s.begin(), s.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

void CheckBackend(const ServeConfig& config, const Backend& backend) {
  Check(config.any_backend || backend.addr.IsLoopback(), "backends are on loopback");
  Check(backend.addr.port != 0 && !backend.addr.IsUnspecified(), "a backend can be connected to");
  Check(backend.addr != kOwn[0] && !(backend.addr.IsLoopback() && backend.addr.port == kOwn[1].port),
        "no backend is a listener of ours");
  Check(IsPlain(backend.host) && IsPlain(backend.path_prefix), "nothing of a backend breaks a request's lines");
  Check(backend.path_prefix.empty() || backend.path_prefix.starts_with('/'), "a prefix begins with a slash");
  Check(!backend.path_prefix.ends_with('/'), "a prefix ends without a slash");
}

void CheckName(const HostPort& name) { Check(HostPort::Parse(name.ToString()) == name, "names are canonical"); }

void CheckConfig(const ServeConfig& config) {
  for (const auto& [port, tcp] : config.tcp) {
    Check(tcp.https != tcp.forward.has_value(), "a port has one use");
    if (tcp.forward) CheckBackend(config, *tcp.forward);
  }
  for (const auto& [name, site] : config.web) {
    CheckName(name);
    Check(config.tcp.contains(name.port) && config.tcp.at(name.port).https, "a site has its HTTPS port");
    for (const auto& [mount, handler] : site.handlers) {
      Check(site.Find(mount) != nullptr && site.Find(mount)->first == mount, "a mount finds itself");
      Check(mount == "/" || site.Find(mount + "/x") != nullptr, "a mount holds what is below it");
      if (const auto* proxy = std::get_if<ingress::ProxyHandler>(&handler)) CheckBackend(config, proxy->backend);
      if (const auto* to = std::get_if<ingress::RedirectHandler>(&handler)) {
        Check(IsPlain(to->target) && !to->target.empty(), "a redirect is one header's value");
      }
    }
    if (!name.host.starts_with('*')) Check(config.Serves(name), "what has a site is served");
  }
  if (config.acme_tls) Check(config.any_backend || config.acme_tls->IsLoopback(), "the ACME client is on loopback");
  const ingress::StatusText status = FormatStatus(config);
  Check(status.out.ends_with('\n'), "the status is lines");
  for (const auto& [name, on] : config.allow_funnel) {
    CheckName(name);
    if (name.host.starts_with('*')) continue;
    Check(config.IsAllowed(name) == on, "an entry of its own decides");
    const std::string warning = "Warning: funnel=on for " + name.ToString() + ", but no serve config\n";
    Check((status.warnings.find(warning) != std::string::npos) == (on && !config.Serves(name)),
          "there is a warning exactly if nothing is served");
  }
  const std::string json = FormatStatusJson(config);
  Check(json.find('\n') == json.size() - 1, "JSON is one line");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = ServeConfig::Parse(text, "/etc/serve.json", kOwn);
  if (config.ok()) {
    CheckConfig(*config);
    return 0;
  }
  const std::string error(config.status().message());
  Check(error.starts_with("/etc/serve.json:"), "an error says where");
  Check(error.find_first_of("\r\n") == std::string::npos, "an error is one line");
  return 0;
}
