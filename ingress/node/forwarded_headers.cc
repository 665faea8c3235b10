#include "ingress/node/forwarded_headers.h"

#include <algorithm>
#include <array>
#include <vector>

#include "ingress/node/http_syntax.h"
#include "relay/control/text.h"

namespace ingress {
namespace {

namespace text = relay::text;

std::string Normalized(std::string_view name) {
  std::string lower = text::ToLower(name);
  std::replace(lower.begin(), lower.end(), '_', '-');
  return lower;
}

template <size_t n>
bool IsOneOf(std::string_view name, const std::array<std::string_view, n>& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

bool IsHopByHop(std::string_view name) {
  static constexpr std::array<std::string_view, 11> kNames = {"connection",
                                                              "keep-alive",
                                                              "proxy-connection",
                                                              "proxy-authenticate",
                                                              "proxy-authorization",
                                                              "proxy-authentication-info",
                                                              "te",
                                                              "trailer",
                                                              "transfer-encoding",
                                                              "upgrade",
                                                              "http2-settings"};
  return IsOneOf(Normalized(name), kNames);
}

bool IsForwarderOnly(std::string_view name) {
  static constexpr std::array<std::string_view, 5> kNames = {"forwarded", "x-real-ip", "tailscale-headers-info",
                                                             "tailscale-app-capabilities", "tailscale-funnel-request"};
  const std::string normal = Normalized(name);
  return normal.starts_with("x-forwarded-") || normal == "x-forwarded" || normal.starts_with("tailscale-user-") ||
         IsOneOf(normal, kNames);
}

bool IsMessageFraming(std::string_view name) {
  static constexpr std::array<std::string_view, 3> kNames = {"content-length", "host", "expect"};
  return IsOneOf(Normalized(name), kNames);
}

void RemoveHopByHop(HttpFields& fields) {
  std::vector<std::string> named;
  for (const auto& [name, value] : fields) {
    if (!text::EqualsIgnoreCase(name, "Connection")) continue;
    ForEachInList(value, [&](std::string_view item) { named.push_back(Normalized(item)); });
  }
  RemoveFields(fields, [&](std::string_view name) {
    return IsHopByHop(name) || std::find(named.begin(), named.end(), Normalized(name)) != named.end();
  });
}

void CleanTrailers(HttpFields& trailers) {
  RemoveFields(trailers, [](std::string_view name) {
    static constexpr std::array<std::string_view, 7> kOfHeads = {
        "content-range", "authorization", "cookie", "set-cookie", "content-type", "content-encoding", "cache-control"};
    const std::string normal = Normalized(name);
    return IsHopByHop(name) || IsForwarderOnly(name) || IsMessageFraming(name) || IsOneOf(normal, kOfHeads);
  });
}

void SetForwarded(const disco::AddrPort& source, RequestHead& head) {
  RemoveFields(head.fields, [](std::string_view name) {
    return IsHopByHop(name) || IsForwarderOnly(name) || IsMessageFraming(name);
  });
  head.fields.emplace_back("X-Forwarded-For", source.IpToString());
  head.fields.emplace_back("X-Forwarded-Host", head.authority);
  head.fields.emplace_back("X-Forwarded-Proto", "https");
  head.fields.emplace_back("Tailscale-Funnel-Request", "?1");
}

}  // namespace ingress
