#include "ingress/node/serve_config.h"

#include "relay/control/read_file.h"
#include "relay/control/text.h"

namespace ingress {
namespace {

namespace text = relay::text;

constexpr size_t kMaxFileMib = 4;  // Thousands of handlers.

// The entry for `target`: its own, else that of the wildcard above it; end: none. Nobody is at a wildcard.
template <typename Map>
typename Map::const_iterator Lookup(const Map& map, const HostPort& target) {
  if (target.host.starts_with("*.")) return map.end();
  const auto exact = map.find(target);
  if (exact != map.end()) return exact;
  const size_t dot = target.host.find('.');
  if (dot == std::string::npos) return map.end();
  return map.find(HostPort{text::Cat("*", std::string_view(target.host).substr(dot)), target.port});
}

}  // namespace

std::optional<HostPort> HostPort::Parse(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == text.npos) return std::nullopt;
  const std::optional<std::string> host = relay::CanonicalRouteName(text.substr(0, colon));
  const std::optional<uint16_t> port = text::ParseNumber<uint16_t>(text.substr(colon + 1));
  if (!host || port.value_or(0) == 0) return std::nullopt;
  return HostPort{.host = *host, .port = *port};
}

std::string HostPort::ToString() const { return text::Cat(host, ":", port); }

// Over the mounts, not over the path's segments: there are few of those, and as many of these as a client likes.
const std::pair<const std::string, HandlerConfig>* WebSite::Find(std::string_view path) const {
  const std::pair<const std::string, HandlerConfig>* longest = nullptr;
  for (const auto& handler : handlers) {
    std::string_view mount = handler.first;
    if (mount.ends_with('/')) mount.remove_suffix(1);
    const bool is_path = path == mount && !mount.empty();
    const bool holds = path.size() > mount.size() && path.starts_with(mount) && path[mount.size()] == '/';
    if (!is_path && !holds) continue;
    if (longest == nullptr || handler.first.size() > longest->first.size()) longest = &handler;
  }
  return longest;
}

absl::StatusOr<ServeConfig> ServeConfig::Load(const std::string& path, const std::vector<AddrPort>& own) {
  const absl::StatusOr<std::string> text = relay::ReadRegularFile(path, kMaxFileMib);
  return text.ok() ? Parse(*text, path, own) : text.status();
}

bool ServeConfig::IsAllowed(const HostPort& target) const {
  const auto entry = Lookup(allow_funnel, target);
  return entry != allow_funnel.end() && entry->second;
}

bool ServeConfig::Serves(const HostPort& target) const {
  const auto port = tcp.find(target.port);
  if (port == tcp.end() || target.host.starts_with("*.")) return false;
  const TcpPort& how = port->second;
  if (how.https) return FindSite(target) != nullptr;
  return how.forward && (how.terminate_tls.empty() || how.terminate_tls == target.host);
}

const WebSite* ServeConfig::FindSite(const HostPort& target) const {
  const auto site = Lookup(web, target);
  return site != web.end() ? &site->second : nullptr;
}

}  // namespace ingress
