#include "ingress/node/backend.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "relay/control/fd.h"
#include "relay/control/text.h"

namespace ingress {
namespace {

namespace text = relay::text;

absl::Status Refused(std::string_view what, std::string_view why) {
  return absl::InvalidArgumentError(text::Cat("\"", what, "\" ", why));
}

// What goes into a request line or a header: no blanks, no control characters, ASCII.
bool IsVisible(std::string_view s) {
  return std::all_of(s.begin(), s.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

struct Authority {
  std::string_view host;  // Without brackets.
  std::string_view port;  // Empty: none.
};

std::optional<Authority> SplitAuthority(std::string_view s) {
  const bool bracketed = s.starts_with('[');
  const size_t end = bracketed ? s.find(']') : std::min(s.find(':'), s.size());
  if (end == s.npos) return std::nullopt;
  Authority out{.host = bracketed ? s.substr(1, end - 1) : s.substr(0, end), .port = {}};
  const std::string_view rest = s.substr(end + (bracketed ? 1 : 0));
  if (rest.empty()) return out;
  if (rest.size() < 2 || rest[0] != ':') return std::nullopt;
  out.port = rest.substr(1);
  return out;
}

// `whole` is what the file says, for the error.
absl::StatusOr<AddrPort> ParseAuthority(std::string_view authority, uint16_t default_port, std::string_view whole) {
  const std::optional<Authority> split = SplitAuthority(authority);
  if (!split) return Refused(whole, "is not host:port");
  if (split->port.empty() && default_port == 0) return Refused(whole, "has no port");
  const auto port = split->port.empty() ? default_port : text::ParseNumber<uint16_t>(split->port).value_or(0);
  if (port == 0) return Refused(whole, "has a port that is not a number of 1 to 65535");
  const bool v6 = authority.starts_with('[');
  const bool localhost = !v6 && text::EqualsIgnoreCase(split->host, "localhost");
  const std::optional<AddrPort> addr = AddrPort::Parse(
      localhost ? text::Cat("127.0.0.1:", port) : text::Cat(v6 ? "[" : "", split->host, v6 ? "]:" : ":", port));
  if (!addr) return Refused(whole, "has a host that is neither localhost nor an IP address; names are not looked up");
  if (addr->IsUnspecified() || addr->IsMulticast() || addr->IsBroadcast()) {
    return Refused(whole, "is an address that no backend can have");
  }
  return *addr;
}

// Of a Proxy URL: what stands in front of each path, with one slash in front and none at its end.
absl::StatusOr<std::string> ParsePathPrefix(std::string_view path, std::string_view whole) {
  if (path.find_first_of("?#\\") != path.npos) return Refused(whole, "has a query, a fragment or a backslash");
  while (path.ends_with('/')) path.remove_suffix(1);
  if (path.empty()) return std::string();
  for (const std::string_view segment : text::Split(path.substr(1), '/')) {
    if (segment.empty() || segment == "." || segment == "..") {
      return Refused(whole, "has an empty or a dot segment in its path");
    }
  }
  return std::string(path);
}

}  // namespace

absl::StatusOr<Backend> ParseProxyTarget(std::string_view whole) {
  if (whole.empty() || !IsVisible(whole)) return Refused(whole, "is not a proxy target");
  std::string scheme = "http";
  std::string rest(whole);
  uint16_t default_port = 0;
  if (const size_t end = whole.find("://"); end != whole.npos) {
    scheme = text::ToLower(whole.substr(0, end));
    rest = whole.substr(end + 3);
    default_port = scheme == "http" ? 80 : 443;
  } else if (std::all_of(whole.begin(), whole.end(), text::IsDigit)) {
    rest = text::Cat("127.0.0.1:", whole);
  }
  Backend out;
  out.tls = scheme != "http";
  out.verify = scheme != "https+insecure";
  if (out.tls && out.verify && scheme != "https") return Refused(whole, "is neither http, https nor https+insecure");
  const size_t slash = std::min(rest.find_first_of("/?#\\"), rest.size());
  out.host = rest.substr(0, slash);
  if (out.host.find('@') != out.host.npos) return Refused(whole, "has a user name");
  const absl::StatusOr<AddrPort> addr = ParseAuthority(out.host, default_port, whole);
  if (!addr.ok()) return addr.status();
  out.addr = *addr;
  const absl::StatusOr<std::string> prefix = ParsePathPrefix(std::string_view(rest).substr(slash), whole);
  if (!prefix.ok()) return prefix.status();
  out.path_prefix = *prefix;
  out.text = text::Cat(scheme, "://", out.host, out.path_prefix);
  return out;
}

absl::StatusOr<Backend> ParseForwardTarget(std::string_view whole) {
  const absl::StatusOr<AddrPort> addr = ParseAuthority(whole, 0, whole);
  if (!addr.ok()) return addr.status();
  Backend out;
  out.addr = *addr;
  out.host = whole;
  out.text = whole;
  return out;
}

absl::StatusOr<RedirectHandler> ParseRedirect(std::string_view whole) {
  RedirectHandler out;
  std::string_view target = whole;
  if (whole.size() > 3 && whole[3] == ':' && std::all_of(whole.begin(), whole.begin() + 3, text::IsDigit)) {
    static constexpr std::array kStatuses = {301, 302, 303, 307, 308};
    out.status = text::ParseNumber<uint16_t>(whole.substr(0, 3)).value_or(0);
    if (std::find(kStatuses.begin(), kStatuses.end(), out.status) == kStatuses.end()) {
      return Refused(whole, "has a status that is none of 301, 302, 303, 307 and 308");
    }
    target.remove_prefix(4);
  }
  const bool url = text::StartsWithIgnoreCase(target, "http://") || text::StartsWithIgnoreCase(target, "https://");
  const size_t host = target.find("//") + 2;
  if (!IsVisible(target) || !(target.starts_with('/') || (url && target.find_first_of("/?#", host) != host))) {
    return Refused(whole, "is not a redirect's URL (http://, https:// or a path, without blanks)");
  }
  if (url && target.size() == host) return Refused(whole, "is a URL without a host");
  if (target.find("${") != target.npos) return Refused(whole, "has a ${variable}: those are not served");
  out.target = target;
  return out;
}

// A socket can be bound to this machine's addresses alone.
bool IsOwnAddress(const AddrPort& addr) {
  if (addr.IsLoopback() || addr.IsUnspecified()) return true;
  const relay::Fd fd(socket(addr.IsIpv4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return false;
  if (addr.IsIpv4()) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    std::memcpy(&name.sin_addr, addr.ip.data() + 12, 4);
    return bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof(name)) == 0;
  }
  sockaddr_in6 name{};
  name.sin6_family = AF_INET6;
  name.sin6_scope_id = addr.scope;
  std::memcpy(&name.sin6_addr, addr.ip.data(), addr.ip.size());
  return bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof(name)) == 0;
}

}  // namespace ingress
