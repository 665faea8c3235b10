#include "relay/control/http_api.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>

#include "disco/server_endpoint.h"
#include "relay/control/http_call.h"
#include "relay/control/text.h"

namespace relay {
namespace {

constexpr uint32_t kSessionsPerStep = 256;
constexpr size_t kLoggedBytes = 100;  // Of what a stranger chose.

constexpr std::array<std::string_view, 4> kProxyHeaders = {"Forwarded", "X-Forwarded-For", "Via",
                                                           "Tailscale-Funnel-Request"};

std::string_view Bearer(const HttpRequest& request) {
  static constexpr std::string_view kScheme = "Bearer ";
  const std::string_view* const value = request.Find("Authorization");
  if (value == nullptr || !text::StartsWithIgnoreCase(*value, kScheme)) return {};
  return text::Trim(value->substr(kScheme.size()));
}

// A number in a query, or `otherwise` if it is not there; nullopt: not a number.
std::optional<uint32_t> QueryNumber(std::string_view query, std::string_view name, uint32_t otherwise) {
  const std::optional<std::string_view> value = QueryValue(query, name);
  return value ? text::ParseNumber<uint32_t>(*value) : otherwise;
}

HttpResponse Unavailable(std::string_view line) {
  HttpResponse response = HttpResponse::Error(503, line);
  response.retry_after = true;
  return response;
}

bool IsAllowed(std::string_view method, std::string_view allow) {
  const std::vector<std::string_view> methods = text::Split(allow, ',');
  return std::any_of(methods.begin(), methods.end(), [&](std::string_view m) { return text::Trim(m) == method; });
}

}  // namespace

const HttpApi::Route* HttpApi::FindRoute(std::string_view path) const {
  // The connectors will add /v0/connector/transit-ip: an unknown path so far.
  static constexpr Methods kGet = {"GET, HEAD", "only GET allowed"};
  static constexpr Methods kPost = {"POST", "only POST allowed"};
  static constexpr Methods kChange = {"GET, HEAD, PUT, DELETE", "only GET, PUT and DELETE allowed"};
  static constexpr Methods kAny = {};
  static constexpr std::array<Route, 6> kRoutes = {{
      {"/v0/relay/endpoint", kPost, false, Capability::kRelay, &HttpApi::Allocate},
      {"/v0/relay/sessions", kGet, false, Capability::kAdmin, &HttpApi::Sessions},
      {"/v0/funnel/routes", kChange, false, Capability::kAdmin, &HttpApi::FunnelRoutes},
      {"/v0/ingress", kAny, false, Capability::kIngress, &HttpApi::Ingress},
      {"/healthz", kGet, true, Capability::kNone, &HttpApi::Healthz},
      {"/readyz", kGet, true, Capability::kNone, &HttpApi::Readyz},
  }};
  const auto* const found =
      std::find_if(kRoutes.begin(), kRoutes.end(), [&](const Route& r) { return r.path == path; });
  if (found == kRoutes.end() || (found->serve == &HttpApi::FunnelRoutes && parts_.funnel == nullptr)) return nullptr;
  return found;
}

HttpApi::Target HttpApi::SplitTarget(std::string_view target) {
  Target split;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!text::StartsWithIgnoreCase(target, scheme)) continue;
    target.remove_prefix(scheme.size());
    split.absolute = true;
    split.authority = target.substr(0, target.find_first_of("/?"));
    target.remove_prefix(split.authority.size());
    break;
  }
  const size_t question = target.find('?');
  split.path = target.substr(0, question);
  if (question != std::string_view::npos) split.query = target.substr(question + 1);
  return split;
}

// DESIGN's order: foreign Host or browser, unknown path, capability, method, size; the rest is the route's.
void HttpApi::Handle(const HttpRequest& request, std::shared_ptr<Exchange> exchange) {
  const Target target = SplitTarget(request.target);
  Call call{.request = request, .route = FindRoute(target.path), .target = target, .grant = {}, .exchange = exchange};
  const Route* const route = call.route;
  if (target.absolute && target.authority.empty()) return Refuse(call, 400, "the request target names no host");
  if (route == nullptr || !route->probe) {
    const int status = CheckOrigin(request, target);
    if (status != 0)
      return Refuse(call, status, status == 400 ? "missing or repeated Host header" : "invalid peerapi request");
  }
  if (route == nullptr) return Refuse(call, 404, "unsupported peerapi path");
  call.grant = FindGrant(request);
  if (!call.grant.Has(route->capability)) {
    // The peerAPI's own words, which an ingress knows.
    if (route->capability == Capability::kIngress) return Refuse(call, 403, "denied; no ingress cap");
    return Refuse(call, 403, text::Cat(CapabilityName(route->capability), " not permitted"));
  }
  const Methods& methods = route->methods;
  if (!methods.any() && !IsAllowed(request.method, methods.allow)) {
    return Refuse(call, 405, methods.refusal, methods.allow);
  }
  if (!methods.any() && request.body_too_big) return Refuse(call, 413, "request body over 4096 bytes");
  (this->*route->serve)(call);
}

int HttpApi::CheckOrigin(const HttpRequest& request, const Target& target) const {
  const size_t hosts = request.Count("Host");
  if (hosts > 1 || (hosts == 0 && request.http11)) return 400;  // RFC 9112 section 3.2.
  if (request.Find("Origin") != nullptr || request.Find("Referer") != nullptr) return 403;
  if (hosts == 1 && !parts_.host_names.IsOurs(*request.Find("Host"), request.local)) return 403;
  if (!target.authority.empty() && !parts_.host_names.IsOurs(target.authority, request.local)) return 403;
  return 0;
}

Grant HttpApi::FindGrant(const HttpRequest& request) const {
  const auto passed_on = [&](std::string_view name) { return request.Find(name) != nullptr; };
  if (policy_->refuses_proxied() && std::any_of(kProxyHeaders.begin(), kProxyHeaders.end(), passed_on)) return {};
  return policy_->Find(request.remote, Bearer(request));
}

void HttpApi::Refuse(const Call& call, int status, std::string_view line, std::string_view allow) {
  if (call.route != nullptr && call.route->capability == Capability::kRelay) {
    if (status == 403) parts_.allocator.Count(AllocationResult::kForbidden);
    if (status == 400 || status == 413) parts_.allocator.Count(AllocationResult::kInvalid);
  }
  uint64_t suppressed = 0;
  if (status == 403 && log_limiter_.Allow(std::chrono::steady_clock::now(), suppressed)) {
    Log(LogLevel::kWarning, "API request refused",
        {{"caller", call.request.remote.ToString()},
         {"path", call.target.path.substr(0, kLoggedBytes)},
         {"reason", line},
         {"suppressed", suppressed}});
  }
  HttpResponse response = HttpResponse::Error(status, line);
  response.allow = allow;
  response.close = call.route != nullptr && call.route->capability == Capability::kIngress;
  call.exchange->Respond(std::move(response));
}

void HttpApi::Healthz(const Call& call) { call.exchange->Respond({.body = "ok\n"}); }

void HttpApi::Readyz(const Call& call) {
  const std::string_view why_not = WhyNotReady();
  call.exchange->Respond(why_not.empty() ? HttpResponse{.body = "ready\n"} : Unavailable(why_not));
}

std::string_view HttpApi::WhyNotReady() const {
  if (draining_) return "draining";
  return addr_ports_.empty() ? "not ready: no address to advertise" : "";
}

void HttpApi::Allocate(const Call& call) {
  const auto keys = disco::ParseAllocateRequest(call.request.body);
  if (!keys.ok()) return Refuse(call, 400, std::string(keys.status().message()));
  const std::string_view why_not = WhyNotReady();
  if (!why_not.empty()) {
    // A key that is never served is refused as such at all times. A ready allocator checks the keys itself.
    const std::string_view error = parts_.allocator.CheckKeys(*keys);
    if (!error.empty()) return Refuse(call, 400, error);
    parts_.allocator.Count(draining_ ? AllocationResult::kDraining : AllocationResult::kNotReady);
    return call.exchange->Respond(Unavailable(why_not));
  }
  // The kind comes first, so that no token is taken for a source that it happens to be named like.
  const std::string caller = call.grant.token_name.empty()
                                 ? text::Cat("source:", Prefix::OfSource(call.request.remote).ToString())
                                 : text::Cat("token:", call.grant.token_name);
  const Allocator::Outcome outcome =
      parts_.allocator.Allocate(caller, *keys, addr_ports_, std::chrono::steady_clock::now());
  switch (outcome.result) {
    case AllocationResult::kCreated:
    case AllocationResult::kExisting:
    case AllocationResult::kReplaced:
      return call.exchange->Respond(HttpResponse::Json(disco::ServerEndpointToJson(outcome.endpoint) + '\n'));
    case AllocationResult::kInvalid:
      return call.exchange->Respond(HttpResponse::Error(400, outcome.error));
    default:
      return call.exchange->Respond(Unavailable(outcome.error));
  }
}

void HttpApi::Sessions(const Call& call) {
  const std::optional<uint32_t> after = QueryNumber(call.target.query, "after", 0);
  const std::optional<uint32_t> limit = QueryNumber(call.target.query, "limit", kDefaultSessions);
  if (!after || !limit || *limit == 0) return Refuse(call, 400, "after and limit are numbers, and limit is not 0");
  SendSessions(std::make_shared<SessionList>(parts_.table, parts_.udp_port, *after, std::min(*limit, kMaxSessions)),
               call.exchange);
}

void HttpApi::Ingress(const Call& call) {
  if (parts_.ingress && draining_) return call.exchange->Respond(Unavailable("draining"));
  if (parts_.ingress) return parts_.ingress(call.request, call.exchange);
  Refuse(call, 404, "unsupported peerapi path");  // Neither serve config nor listener.
}

void HttpApi::SendSessions(std::shared_ptr<SessionList> list, std::shared_ptr<Exchange> exchange) {
  if (list->Step(kSessionsPerStep)) return exchange->Respond(HttpResponse::Json(list->TakeJson()));
  parts_.post([this, list = std::move(list), exchange = std::move(exchange)] { SendSessions(list, exchange); });
}

}  // namespace relay
