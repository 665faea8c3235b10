#include "ingress/node/peerapi_checks.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "relay/control/host_names.h"
#include "relay/control/text.h"

namespace ingress {
namespace {

namespace text = relay::text;

constexpr IngressRefusal kForeign{403, "invalid peerapi request"};
constexpr IngressRefusal kUnknownPath{404, "unsupported peerapi path"};
constexpr IngressRefusal kNoCapability{403, "denied; no ingress cap"};

// What a proxy adds: behind one, the caller's address is not the client's.
constexpr std::array<std::string_view, 4> kProxyHeaders = {"Forwarded", "X-Forwarded-For", "Via",
                                                           "Tailscale-Funnel-Request"};

std::string_view Bearer(const relay::HttpRequest& request) {
  static constexpr std::string_view kScheme = "Bearer ";
  const std::string_view* const value = request.Find("Authorization");
  if (value == nullptr || !text::StartsWithIgnoreCase(*value, kScheme)) return {};
  return text::Trim(value->substr(kScheme.size()));
}

bool IsForeign(const relay::HttpRequest& request) {
  static const relay::HostNames kOurs({});
  return request.Find("Origin") != nullptr || request.Find("Referer") != nullptr || request.Count("Host") != 1 ||
         !kOurs.IsOurs(*request.Find("Host"), request.local);
}

bool HasCapability(const relay::HttpRequest& request, const relay::Policy& peers) {
  const auto passed_on = [&](std::string_view name) { return request.Find(name) != nullptr; };
  if (peers.refuses_proxied() && std::any_of(kProxyHeaders.begin(), kProxyHeaders.end(), passed_on)) return false;
  return peers.Find(request.remote, Bearer(request)).Has(relay::Capability::kIngress);
}

}  // namespace

std::optional<IngressRefusal> CheckPeer(const relay::HttpRequest& request, const relay::Policy& peers) {
  if (IsForeign(request)) return kForeign;
  if (request.target.substr(0, request.target.find('?')) != "/v0/ingress") return kUnknownPath;
  if (!HasCapability(request, peers)) return kNoCapability;
  return std::nullopt;
}

std::string FormatRefusal(const IngressRefusal& refusal, bool head_only) {
  std::string out =
      text::Cat("HTTP/1.1 ", refusal.status, " ", relay::ReasonPhrase(refusal.status),
                "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ", refusal.line.size() + 1,
                "\r\nX-Content-Type-Options: nosniff\r\n");
  if (refusal.status == 405) out += "Allow: POST\r\n";
  if (refusal.status == 503) out += "Retry-After: 1\r\n";
  out += "Connection: close\r\n\r\n";
  if (!head_only) text::AppendAll(out, refusal.line, "\n");
  return out;
}

}  // namespace ingress
