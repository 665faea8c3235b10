#include "ingress/node/ingress_request.h"

#include <optional>

#include "relay/control/text.h"

namespace ingress {
namespace {

namespace text = relay::text;
using relay::HttpRequest;

constexpr std::string_view kSource = "Tailscale-Ingress-Src";
constexpr std::string_view kTarget = "Tailscale-Ingress-Target";

constexpr IngressRefusal kNothingInstalled{404, "unsupported peerapi path"};
constexpr IngressRefusal kMethod{405, "only POST allowed"};
constexpr IngressRefusal kNoSource{400, "Tailscale-Ingress-Src header not set"};
constexpr IngressRefusal kBadSource{400, "Tailscale-Ingress-Src header invalid; want ip:port"};
constexpr IngressRefusal kNoTarget{400, "Tailscale-Ingress-Target header not set"};
constexpr IngressRefusal kBadTarget{400, "Tailscale-Ingress-Target header invalid; want host:port"};
constexpr IngressRefusal kBody{400, "body not allowed"};
constexpr IngressRefusal kDenied{403, "denied"};

bool IsSet(const HttpRequest& request, std::string_view name) {
  const std::string_view* const value = request.Find(name);
  return value != nullptr && (!value->empty() || request.Count(name) > 1);
}

// A zone is an interface of the ingress's machine, and nothing to us.
std::optional<AddrPort> ParseSource(std::string_view value) {
  std::string plain(value);
  const size_t zone = plain.find('%');
  const size_t end = plain.find(']');
  if (zone != plain.npos && end != plain.npos && zone + 1 < end) plain.erase(zone, end - zone);
  return AddrPort::Parse(plain);
}

// As far as host and port are told apart by the last colon: an IPv6 address stands in brackets. Whether they are any
// that we serve is another question.
bool IsHostAndPort(std::string_view value) {
  const size_t colon = value.rfind(':');
  if (colon == value.npos) return false;
  std::string_view host = value.substr(0, colon);
  if (host.starts_with('[')) {
    if (!host.ends_with(']')) return false;
    host = host.substr(1, host.size() - 2);
    return host.find_first_of("[]") == host.npos;
  }
  return value.find_first_of("[]") == value.npos && host.find(':') == host.npos;
}

bool HasBody(const HttpRequest& request) {
  const std::string_view* const length = request.Find("Content-Length");
  return !request.body.empty() || request.body_too_big || request.Find("Transfer-Encoding") != nullptr ||
         (length != nullptr && text::ParseNumber<uint64_t>(*length) != 0u);
}

}  // namespace

std::variant<IngressRequest, IngressRefusal> CheckIngress(const HttpRequest& request, const IngressTargets& targets) {
  if (!targets.AnythingInstalled()) return kNothingInstalled;
  if (request.method != "POST") return kMethod;

  if (!IsSet(request, kSource)) return kNoSource;
  const std::optional<AddrPort> source = ParseSource(*request.Find(kSource));
  if (!source || request.Count(kSource) != 1) return kBadSource;

  if (!IsSet(request, kTarget)) return kNoTarget;
  const std::string_view target_text = *request.Find(kTarget);
  if (!IsHostAndPort(target_text) || request.Count(kTarget) != 1) return kBadTarget;

  if (HasBody(request)) return kBody;

  const std::optional<HostPort> target = HostPort::Parse(target_text);  // A wildcard is a pattern, not a place.
  if (!target || target->host.starts_with('*')) return kDenied;
  if (!targets.IsAllowed(*target) || !targets.Serves(*target)) return kDenied;
  return IngressRequest{.source = *source, .target = *target};
}

}  // namespace ingress
