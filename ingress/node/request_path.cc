#include "ingress/node/request_path.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "relay/control/text.h"

namespace ingress {
namespace {

namespace text = relay::text;

// nullopt: `escape` is not two hexadecimal digits.
std::optional<char> Unescape(std::string_view escape) {
  uint8_t value = 0;
  const auto [end, error] = std::from_chars(escape.data(), escape.data() + escape.size(), value, 16);
  if (escape.size() != 2 || error != std::errc() || end != escape.data() + 2) return std::nullopt;
  return static_cast<char>(value);
}

bool IsDotSegment(std::string_view segment) {
  segment = segment.substr(0, segment.find(';'));
  return segment == "." || segment == "..";
}

// Two slashes in front, however the second is written.
bool LooksLikeAHost(std::string_view path) {
  const std::string_view second = path.substr(1, 3);
  return second.starts_with('/') || text::EqualsIgnoreCase(second, "%2f") || text::EqualsIgnoreCase(second, "%5c");
}

std::string_view WithoutMount(std::string_view path, std::string_view mount) {
  return mount == "/" ? path : path.substr(std::min(mount.size(), path.size()));
}

}  // namespace

std::optional<std::string> DecodePath(std::string_view path) {
  std::string decoded;
  for (size_t i = 0; i < path.size(); ++i) {
    char c = path[i];
    if (c == '\\') return std::nullopt;
    if (c == '%') {
      const std::optional<char> byte = Unescape(path.substr(i + 1, 2));
      if (!byte) return std::nullopt;
      c = *byte == '\\' ? '/' : *byte;
      i += 2;
    }
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) return std::nullopt;
    if (c != '/' || !decoded.ends_with('/')) decoded += c;
  }
  const std::vector<std::string_view> segments = text::Split(decoded, '/');
  if (std::any_of(segments.begin(), segments.end(), IsDotSegment)) return std::nullopt;
  return decoded;
}

int FindMount(const WebSite& site, std::string_view target, MountedPath& out) {
  const size_t query = std::min(target.find('?'), target.size());
  const std::string_view path = target.substr(0, query);
  if (!path.starts_with('/')) return 404;  // OPTIONS *.
  const std::optional<std::string> decoded = DecodePath(path);
  if (!decoded) return 400;
  const auto* const found = site.Find(path);
  if (found != site.Find(*decoded)) return 400;
  if (found == nullptr) return 404;
  out.handler = &found->second;
  out.query = target.substr(query);
  out.path = WithoutMount(path, found->first);
  out.decoded = WithoutMount(*decoded, found->first);
  if (out.path.empty()) out.path = out.decoded = "/";
  return LooksLikeAHost(out.path) ? 400 : 0;
}

}  // namespace ingress
