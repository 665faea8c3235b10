#include "relay/control/funnel_policy.h"

#include <limits>
#include <set>

#include "relay/control/host_name.h"
#include "relay/control/text.h"

namespace relay {
namespace {

constexpr std::string_view kWildcard = "*.";

// A field that holds a count, 0 for no limit.
JsonFile::Field LimitField(const JsonFile& file, std::string_view name) {
  return {name, false, [&file, name](const JsonNode& node) {
            int64_t value = 0;
            return file.ReadInteger(node, text::Cat("\"", name, "\""), 0, std::numeric_limits<int64_t>::max(), value);
          }};
}

// A field that holds a list of prefixes.
JsonFile::Field PrefixesField(const JsonFile& file, std::string_view name) {
  return {name, false, [&file, name](const JsonNode& node) {
            std::set<Prefix> seen;
            return file.ReadArray(node, text::Cat("\"", name, "\""), [&](const JsonNode& item) {
              Prefix prefix;
              if (absl::Status status = ReadPrefix(file, item, prefix); !status.ok()) return status;
              if (seen.insert(prefix).second) return absl::OkStatus();
              return file.Error(item.line, text::Cat("prefix ", prefix.ToString(), " stands here twice"));
            });
          }};
}

absl::Status CheckPorts(const JsonFile& file, const JsonNode& node) {
  std::set<int64_t> seen;
  const absl::Status status = file.ReadArray(node, "\"ports\"", [&](const JsonNode& item) {
    int64_t port = 0;
    if (absl::Status bad = file.ReadInteger(item, "a port", 1, 65535, port); !bad.ok()) return bad;
    return seen.insert(port).second ? absl::OkStatus()
                                    : file.Error(item.line, text::Cat("port ", port, " stands here twice"));
  });
  if (!status.ok()) return status;
  return seen.empty() ? file.Error(node.line, "\"ports\" is empty; leave it out for all ports") : absl::OkStatus();
}

absl::Status CheckPeerApi(const JsonFile& file, const JsonNode& node) {
  std::set<AddrPort> seen;
  const absl::Status status = file.ReadArray(node, "\"peerapi\"", [&](const JsonNode& item) {
    std::string text;
    if (absl::Status bad = file.ReadString(item, "a peerAPI address", text); !bad.ok()) return bad;
    const std::optional<AddrPort> addr = AddrPort::Parse(text);
    if (!addr || addr->port == 0 || addr->IsUnspecified() || addr->IsMulticast()) {
      return file.Error(item.line, text::Cat("\"", text, "\" is not a peerAPI's ip:port"));
    }
    return seen.insert(*addr).second ? absl::OkStatus()
                                     : file.Error(item.line, text::Cat("node ", text, " stands here twice"));
  });
  if (!status.ok()) return status;
  return seen.empty() ? file.Error(node.line, "\"peerapi\" is empty") : absl::OkStatus();
}

absl::Status CheckRoute(const JsonFile& file, const JsonNode& node, std::set<std::string>& names) {
  const auto check_name = [&](const JsonNode& value) {
    std::string text;
    if (absl::Status bad = file.ReadString(value, "\"name\"", text); !bad.ok()) return bad;
    const std::optional<std::string> name = CanonicalRouteName(text);
    if (!name) return file.Error(value.line, text::Cat("\"", text, "\" is not a host name"));
    return names.insert(*name).second ? absl::OkStatus()
                                      : file.Error(value.line, text::Cat("route \"", *name, "\" stands here twice"));
  };
  return file.ReadObject(node, "a route",
                         {{"name", true, check_name},
                          {"ports", false, [&](const JsonNode& value) { return CheckPorts(file, value); }},
                          {"peerapi", true, [&](const JsonNode& value) { return CheckPeerApi(file, value); }},
                          PrefixesField(file, "allow"),
                          PrefixesField(file, "deny"),
                          LimitField(file, "max_connections"),
                          LimitField(file, "new_per_second"),
                          LimitField(file, "bytes_per_second")});
}

}  // namespace

absl::Status CheckFunnelPolicy(const JsonFile& file, const JsonNode& node) {
  std::set<std::string> names;
  const auto check_routes = [&](const JsonNode& routes) {
    return file.ReadArray(routes, "\"routes\"", [&](const JsonNode& route) { return CheckRoute(file, route, names); });
  };
  return file.ReadObject(node, "\"funnel\"",
                         {{"routes", false, check_routes},
                          LimitField(file, "source_max_connections"),
                          LimitField(file, "source_new_per_second"),
                          LimitField(file, "max_connections"),
                          LimitField(file, "max_pending"),
                          PrefixesField(file, "proxy_protocol_from")});
}

std::optional<std::string> CanonicalRouteName(std::string_view name) {
  if (!name.starts_with(kWildcard)) return CanonicalHostName(name);
  const std::optional<std::string> domain = CanonicalHostName(name.substr(kWildcard.size()));
  if (!domain || domain->size() + kWildcard.size() > kMaxHostNameBytes) return std::nullopt;
  return text::Cat(kWildcard, *domain);
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
