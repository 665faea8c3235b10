#include "relay/ctl/funnel_routes.h"

#include <algorithm>
#include <boost/json.hpp>
#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "relay/control/text.h"

namespace relay::ctl {
namespace {

namespace json = boost::json;
using disco::AddrPort;

std::string_view View(const json::value& value) {
  const json::string& text = value.as_string();
  return {text.data(), text.size()};
}

// A list of texts, each read by `parse`, which gives nullopt for what is none of its kind.
template <typename Parse>
auto ReadList(const json::value& list, Parse parse) {
  std::vector<typename decltype(parse(std::string_view()))::value_type> items;
  for (const json::value& item : list.as_array()) items.push_back(parse(View(item)).value());
  return items;
}

// Throws on what is missing or wrong.
RouteStatus ReadRoute(const json::object& object) {
  RouteStatus status;
  FunnelRoute& route = status.route;
  route.name = CanonicalRouteName(View(object.at("name"))).value();
  if (const json::value* const ports = object.if_contains("ports")) {
    for (const json::value& port : ports->as_array()) route.ports.push_back(port.to_number<uint16_t>());
  }
  route.peerapi = ReadList(object.at("peerapi"), AddrPort::Parse);
  route.allow = ReadList(object.at("allow"), Prefix::Parse);
  route.deny = ReadList(object.at("deny"), Prefix::Parse);
  route.max_connections = object.at("max_connections").to_number<uint64_t>();
  route.new_per_second = object.at("new_per_second").to_number<uint64_t>();
  route.bytes_per_second = object.at("bytes_per_second").to_number<uint64_t>();
  status.from_file = View(object.at("source")) == "file";
  status.connections = object.at("connections").to_number<uint64_t>();
  for (const json::value& node : object.at("nodes").as_array()) {
    status.nodes.push_back(
        {.peerapi = AddrPort::Parse(View(node.at("peerapi"))).value(), .healthy = node.at("healthy").as_bool()});
  }
  return status;
}

std::string PortsOf(const FunnelRoute& route) { return route.ports.empty() ? "all" : absl::StrJoin(route.ports, ","); }

template <typename Item>
json::array TextsOf(const std::vector<Item>& items) {
  json::array texts;
  for (const Item& item : items) texts.emplace_back(item.ToString());
  return texts;
}

json::object ToJson(const RouteStatus& status) {
  const FunnelRoute& route = status.route;
  json::object object{{"name", route.name}};
  if (!route.ports.empty()) object["ports"] = json::array(route.ports.begin(), route.ports.end());
  object["peerapi"] = TextsOf(route.peerapi);
  object["allow"] = TextsOf(route.allow);
  object["deny"] = TextsOf(route.deny);
  object["max_connections"] = route.max_connections;
  object["new_per_second"] = route.new_per_second;
  object["bytes_per_second"] = route.bytes_per_second;
  object["source"] = status.from_file ? "file" : "api";
  object["connections"] = status.connections;
  json::array nodes;
  for (const auto& node : status.nodes) {
    nodes.push_back(json::object{{"peerapi", node.peerapi.ToString()}, {"healthy", node.healthy}});
  }
  object["nodes"] = std::move(nodes);
  return object;
}

}  // namespace

std::optional<FunnelTarget> FunnelTarget::Parse(std::string_view text) {
  FunnelTarget target;
  const size_t colon = text.find(':');
  const std::optional<std::string> name = CanonicalRouteName(text.substr(0, colon));
  if (!name || name->starts_with('*')) return std::nullopt;
  target.name = *name;
  if (colon == std::string_view::npos) return target;
  const std::optional<uint16_t> port = text::ParseNumber<uint16_t>(text.substr(colon + 1));
  if (!port || *port == 0) return std::nullopt;
  target.port = *port;
  return target;
}

std::string FunnelTarget::ToString() const { return absl::StrCat(name, ":", port); }

absl::StatusOr<std::vector<RouteStatus>> ParseFunnelRoutes(std::string_view text) {
  // Accessors throw on what is missing or of another type; it ends here.
  try {
    const json::value document = json::parse(json::string_view(text.data(), text.size()));
    std::vector<RouteStatus> routes;
    for (const json::value& route : document.at("routes").as_array()) routes.push_back(ReadRoute(route.as_object()));
    return routes;
  } catch (const std::exception&) {
    return absl::InternalError("the answer is no list of routes");
  }
}

absl::StatusOr<std::vector<RouteStatus>> FetchFunnelRoutes(const client::ApiClient& api) {
  const auto response = api.Get("/v0/funnel/routes");
  if (!response.ok()) return response.status();
  if (response->status != 200) return absl::FailedPreconditionError(client::DescribeRefusal(*response));
  return ParseFunnelRoutes(response->body);
}

const RouteStatus* FindFunnelRoute(const std::vector<RouteStatus>& routes, std::string_view name) {
  const auto find = [&](std::string_view wanted) -> const RouteStatus* {
    const auto found =
        std::find_if(routes.begin(), routes.end(), [&](const RouteStatus& r) { return r.route.name == wanted; });
    return found == routes.end() ? nullptr : &*found;
  };
  const RouteStatus* const exact = find(name);
  return exact != nullptr ? exact : find(WildcardOf(name));
}

bool ServesPort(const RouteStatus& route, uint16_t port) {
  const std::vector<uint16_t>& ports = route.route.ports;
  return ports.empty() || std::find(ports.begin(), ports.end(), port) != ports.end();
}

std::string FunnelRoutesToJson(const std::vector<RouteStatus>& routes) {
  json::array all;
  for (const RouteStatus& route : routes) all.push_back(ToJson(route));
  return json::serialize(json::object{{"routes", std::move(all)}}) + '\n';
}

std::string FunnelRouteTable(const std::vector<RouteStatus>& routes) {
  int name = 4, ports = 5;
  for (const RouteStatus& route : routes) {
    name = std::max(name, static_cast<int>(route.route.name.size()));
    ports = std::max(ports, static_cast<int>(PortsOf(route.route).size()));
  }
  const auto row = [&](const std::string& n, const std::string& p, const char* source, const std::string& connections,
                       const std::string& node) {
    return absl::StrFormat("%-*s  %-*s  %-6s  %11s  %s\n", name, n, ports, p, source, connections, node);
  };
  std::string table = row("NAME", "PORTS", "SOURCE", "CONNECTIONS", "NODES");
  for (const RouteStatus& route : routes) {
    bool first = true;
    for (const auto& node : route.nodes) {
      const std::string text = absl::StrCat(node.peerapi.ToString(), node.healthy ? "  healthy" : "  unhealthy");
      table += first ? row(route.route.name, PortsOf(route.route), route.from_file ? "file" : "api",
                           absl::StrCat(route.connections), text)
                     : row("", "", "", "", text);
      first = false;
    }
  }
  return table;
}

std::string DescribeRoute(const RouteStatus& route) {
  return absl::StrCat(route.route.name, ", ports ", PortsOf(route.route), ", ",
                      route.from_file ? "of the policy file" : "by the API", ", ", route.connections, " connections");
}

}  // namespace relay::ctl
