#include "relay/control/funnel_policy.h"

#include <limits>
#include <set>
#include <utility>

#include "relay/control/host_name.h"
#include "relay/control/text.h"

namespace relay {
namespace {

constexpr std::string_view kWildcard = "*.";
constexpr int64_t kHttpPort = 80;

// A field that holds a count, 0 for no limit.
JsonFile::Field LimitField(const JsonFile& file, std::string_view name, uint64_t& out) {
  return {name, false, [&file, name, &out](const JsonNode& node) {
            int64_t value = 0;
            const absl::Status status =
                file.ReadInteger(node, text::Cat("\"", name, "\""), 0, std::numeric_limits<int64_t>::max(), value);
            out = static_cast<uint64_t>(value);
            return status;
          }};
}

// A field that holds a list of prefixes.
JsonFile::Field PrefixesField(const JsonFile& file, std::string_view name, std::vector<Prefix>& out) {
  return {name, false, [&file, name, &out](const JsonNode& node) {
            std::set<Prefix> seen;
            return file.ReadArray(node, text::Cat("\"", name, "\""), [&](const JsonNode& item) {
              Prefix prefix;
              if (absl::Status status = ReadPrefix(file, item, prefix); !status.ok()) return status;
              if (!seen.insert(prefix).second) {
                return file.Error(item.line, text::Cat("prefix ", prefix.ToString(), " stands here twice"));
              }
              out.push_back(prefix);
              return absl::OkStatus();
            });
          }};
}

absl::Status ReadPorts(const JsonFile& file, const JsonNode& node, std::vector<uint16_t>& out) {
  std::set<int64_t> seen;
  const absl::Status status = file.ReadArray(node, "\"ports\"", [&](const JsonNode& item) {
    int64_t port = 0;
    if (absl::Status bad = file.ReadInteger(item, "a port", 1, 65535, port); !bad.ok()) return bad;
    if (port == kHttpPort) return file.Error(item.line, "port 80 is not served: Funnel is TLS alone");
    if (!seen.insert(port).second) return file.Error(item.line, text::Cat("port ", port, " stands here twice"));
    out.push_back(static_cast<uint16_t>(port));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return seen.empty() ? file.Error(node.line, "\"ports\" is empty; leave it out for all ports") : absl::OkStatus();
}

absl::Status ReadPeerApi(const JsonFile& file, const JsonNode& node, std::vector<AddrPort>& out) {
  std::set<AddrPort> seen;
  const absl::Status status = file.ReadArray(node, "\"peerapi\"", [&](const JsonNode& item) {
    std::string text;
    if (absl::Status bad = file.ReadString(item, "a peerAPI address", text); !bad.ok()) return bad;
    const std::optional<AddrPort> addr = AddrPort::Parse(text);
    if (!addr || addr->port == 0 || addr->IsUnspecified() || addr->IsMulticast()) {
      return file.Error(item.line, text::Cat("\"", text, "\" is not a peerAPI's ip:port"));
    }
    if (!seen.insert(*addr).second) return file.Error(item.line, text::Cat("node ", text, " stands here twice"));
    out.push_back(*addr);
    return absl::OkStatus();
  });
  if (status.ok() && seen.size() > kMaxNodes) {
    return file.Error(node.line, text::Cat("\"peerapi\" has more than ", kMaxNodes, " nodes"));
  }
  if (!status.ok()) return status;
  return seen.empty() ? file.Error(node.line, "\"peerapi\" is empty") : absl::OkStatus();
}

}  // namespace

absl::Status ReadFunnelRoute(const JsonFile& file, const JsonNode& node, FunnelRoute& out, UnknownFields unknown) {
  const auto read_name = [&](const JsonNode& value) {
    std::string text;
    if (absl::Status bad = file.ReadString(value, "\"name\"", text); !bad.ok()) return bad;
    const std::optional<std::string> name = CanonicalRouteName(text);
    if (!name) return file.Error(value.line, text::Cat("\"", text, "\" is not a host name"));
    out.name = *name;
    return absl::OkStatus();
  };
  return file.ReadObject(
      node, "a route",
      {{"name", true, read_name},
       {"ports", false, [&](const JsonNode& value) { return ReadPorts(file, value, out.ports); }},
       {"peerapi", true, [&](const JsonNode& value) { return ReadPeerApi(file, value, out.peerapi); }},
       PrefixesField(file, "allow", out.allow),
       PrefixesField(file, "deny", out.deny),
       LimitField(file, "max_connections", out.max_connections),
       LimitField(file, "new_per_second", out.new_per_second),
       LimitField(file, "bytes_per_second", out.bytes_per_second)},
      unknown);
}

absl::Status ReadFunnelPolicy(const JsonFile& file, const JsonNode& node, FunnelPolicy& out) {
  std::set<std::string> names;
  const auto read_routes = [&](const JsonNode& routes) {
    return file.ReadArray(routes, "\"routes\"", [&](const JsonNode& item) {
      FunnelRoute route;
      if (absl::Status bad = ReadFunnelRoute(file, item, route); !bad.ok()) return bad;
      if (!names.insert(route.name).second) {
        return file.Error(item.line, text::Cat("route \"", route.name, "\" stands here twice"));
      }
      out.routes.push_back(std::move(route));
      return absl::OkStatus();
    });
  };
  return file.ReadObject(node, "\"funnel\"",
                         {{"routes", false, read_routes},
                          LimitField(file, "source_max_connections", out.source_max_connections),
                          LimitField(file, "source_new_per_second", out.source_new_per_second),
                          LimitField(file, "max_connections", out.max_connections),
                          LimitField(file, "max_pending", out.max_pending),
                          PrefixesField(file, "proxy_protocol_from", out.proxy_protocol_from)});
}

std::optional<std::string> CanonicalRouteName(std::string_view name) {
  if (!name.starts_with(kWildcard)) return CanonicalHostName(name);
  const std::optional<std::string> domain = CanonicalHostName(name.substr(kWildcard.size()));
  if (!domain || domain->size() + kWildcard.size() > kMaxHostNameBytes) return std::nullopt;
  return text::Cat(kWildcard, *domain);
}

std::string WildcardOf(std::string_view name) {
  const size_t dot = name.find('.');
  return dot == std::string_view::npos || name.starts_with('*') ? "" : text::Cat("*", name.substr(dot));
}

absl::Status ReadPrefix(const JsonFile& file, const JsonNode& node, Prefix& out) {
  std::string text;
  if (absl::Status status = file.ReadString(node, "a prefix", text); !status.ok()) return status;
  const std::optional<Prefix> prefix = Prefix::Parse(text);
  if (!prefix) return file.Error(node.line, text::Cat("\"", text, "\" is not a prefix (such as 192.0.2.0/24)"));
  out = *prefix;
  return absl::OkStatus();
}

}  // namespace relay
