// GET, PUT, DELETE /v0/funnel/routes.
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "relay/control/funnel_policy.h"
#include "relay/control/funnel_service.h"
#include "relay/control/http_api.h"
#include "relay/control/http_call.h"
#include "relay/control/json_lines.h"
#include "relay/control/text.h"

namespace relay {
namespace {

constexpr size_t kRoutesPerStep = 64;  // A task's.

std::optional<uint8_t> HexDigit(char c) {
  const char lower = text::Lower(c);
  if (text::IsDigit(lower)) return static_cast<uint8_t>(lower - '0');
  if (lower >= 'a' && lower <= 'f') return static_cast<uint8_t>(lower - 'a' + 10);
  return std::nullopt;
}

// nullopt: a % without its two digits.
std::optional<std::string> PercentDecode(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    const std::optional<uint8_t> high = HexDigit(text[i + 1]), low = HexDigit(text[i + 2]);
    if (!high || !low) return std::nullopt;
    decoded += static_cast<char>(*high << 4 | *low);
    i += 2;
  }
  return decoded;
}

// A list, each item as `write` appends it.
template <typename Items, typename Write>
void AppendList(std::string& json, std::string_view name, const Items& items, Write write) {
  text::AppendAll(json, ",\"", name, "\":[");
  const char* separator = "";
  for (const auto& item : items) {
    json += std::exchange(separator, ",");
    write(item);
  }
  json += ']';
}

// Nothing in it needs an escape: names are host names.
void AppendRoute(std::string& json, const FunnelService::RouteStatus& status) {
  const FunnelRoute& route = status.route;
  const auto quote = [&](const auto& item) { text::AppendAll(json, "\"", item.ToString(), "\""); };
  text::AppendAll(json, "{\"name\":\"", route.name, "\"");
  if (!route.ports.empty()) AppendList(json, "ports", route.ports, [&](uint16_t port) { text::Append(json, port); });
  AppendList(json, "peerapi", route.peerapi, quote);
  AppendList(json, "allow", route.allow, quote);
  AppendList(json, "deny", route.deny, quote);
  text::AppendAll(json, ",\"max_connections\":", route.max_connections, ",\"new_per_second\":", route.new_per_second,
                  ",\"bytes_per_second\":", route.bytes_per_second, ",\"source\":\"", status.from_file ? "file" : "api",
                  "\",\"connections\":", status.connections);
  AppendList(json, "nodes", status.nodes, [&](const FunnelService::NodeStatus& node) {
    text::AppendAll(json, "{\"peerapi\":\"", node.peerapi.ToString(),
                    "\",\"healthy\":", node.healthy ? "true" : "false", "}");
  });
  json += '}';
}

}  // namespace

void HttpApi::FunnelRoutes(const Call& call) {
  if (call.request.method == "PUT") return PutFunnelRoute(call);
  if (call.request.method == "DELETE") return DeleteFunnelRoute(call);
  SendFunnelRoutes("{\"routes\":[", "", call.exchange);
}

void HttpApi::SendFunnelRoutes(std::string json, const std::string& after, std::shared_ptr<Exchange> exchange) {
  const std::vector<FunnelService::RouteStatus> routes = parts_.funnel->Routes(after, kRoutesPerStep);
  for (const FunnelService::RouteStatus& route : routes) {
    if (!json.ends_with('[')) json += ',';
    AppendRoute(json, route);
  }
  if (routes.size() < kRoutesPerStep) return exchange->Respond(HttpResponse::Json(std::move(json) + "]}\n"));
  // Shared, because a std::function copies what it holds.
  parts_.post([this, text = std::make_shared<std::string>(std::move(json)), last = routes.back().route.name,
               exchange = std::move(exchange)] { SendFunnelRoutes(std::move(*text), last, exchange); });
}

void HttpApi::PutFunnelRoute(const Call& call) {
  const JsonFile body("request body");
  const absl::StatusOr<JsonNode> json = body.Parse(call.request.body);
  FunnelRoute route;
  const absl::Status read = json.ok() ? ReadFunnelRoute(body, *json, route, UnknownFields::kIgnored) : json.status();
  if (!read.ok()) return Refuse(call, 400, std::string(read.message()));
  const std::string name = route.name;
  switch (parts_.funnel->Put(std::move(route))) {
    case FunnelService::Change::kCreated:
      return call.exchange->Respond({.status = 201, .body = text::Cat("route ", name, " created\n")});
    case FunnelService::Change::kOwnedByFile:
      return Refuse(call, 409, text::Cat("route ", name, " is the policy file's"));
    case FunnelService::Change::kTooMany:
      return Refuse(call, 503, "too many routes");
    default:
      return call.exchange->Respond({.body = text::Cat("route ", name, " replaced\n")});
  }
}

void HttpApi::DeleteFunnelRoute(const Call& call) {
  const std::optional<std::string_view> value = QueryValue(call.target.query, "name");
  const std::optional<std::string> decoded = value ? PercentDecode(*value) : std::nullopt;
  const std::optional<std::string> name = decoded ? CanonicalRouteName(*decoded) : std::nullopt;
  if (!name) return Refuse(call, 400, "name is not a route's");
  const std::string_view close = QueryValue(call.target.query, "close").value_or("0");
  if (close != "0" && close != "1") return Refuse(call, 400, "close is not 0 or 1");
  switch (parts_.funnel->Delete(*name, close == "1")) {
    case FunnelService::Change::kUnknown:
      return Refuse(call, 404, text::Cat("no route ", *name));
    case FunnelService::Change::kOwnedByFile:
      return Refuse(call, 409, text::Cat("route ", *name, " is the policy file's"));
    default:
      return call.exchange->Respond({.status = 204, .body = {}});
  }
}

}  // namespace relay
