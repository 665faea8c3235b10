#include "relay/control/host_name.h"

#include <arpa/inet.h>

#include "relay/control/text.h"

namespace relay {
namespace {

constexpr size_t kMaxLabelBytes = 63;

bool IsLabel(std::string_view label) {
  if (label.empty() || label.size() > kMaxLabelBytes) return false;
  for (const char c : label) {
    if (!(c >= 'a' && c <= 'z') && !text::IsDigit(c) && c != '-' && c != '_') return false;
  }
  return true;
}

}  // namespace

std::optional<std::string> CanonicalHostName(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty() || name.size() > kMaxHostNameBytes) return std::nullopt;
  std::string canonical = text::ToLower(name);
  for (const std::string_view label : text::Split(canonical, '.')) {
    if (!IsLabel(label)) return std::nullopt;
  }
  in_addr v4{};
  if (inet_aton(canonical.c_str(), &v4) != 0) return std::nullopt;
  return canonical;
}

}  // namespace relay
