#include "tests/support/client_hello_builder.h"

#include <algorithm>

namespace test {
namespace {

using std::string_literals::operator""s;

constexpr uint16_t kServerName = 0;
constexpr uint16_t kGroups = 10;
constexpr uint16_t kSignatures = 13;
constexpr uint16_t kAlpn = 16;
constexpr uint16_t kPadding = 21;
constexpr uint16_t kVersions = 43;
constexpr uint16_t kKeyShare = 51;
constexpr size_t kX25519 = 0x001d;
constexpr size_t kX25519MlKem768 = 0x11ec;

std::string Extension(uint16_t type, std::string_view content) { return Number(type, 2) + Prefixed(content, 2); }

std::string Body(const std::string& extensions) {
  std::string out = Number(0x0303, 2) + std::string(32, '\x5a') + Prefixed(std::string(32, '\x33'), 1);
  out += Prefixed("\x13\x01\x13\x02\x13\x03\xc0\x2b\xc0\x2f\xc0\x2c\xc0\x30", 2);
  out += Prefixed(std::string(1, '\0'), 1);  // Compression: none.
  return extensions.empty() ? out : out + Prefixed(extensions, 2);
}

}  // namespace

std::string Number(size_t value, size_t bytes) {
  std::string out;
  for (size_t i = bytes; i > 0; --i) out += static_cast<char>(value >> (8 * (i - 1)));
  return out;
}

std::string Prefixed(std::string_view content, size_t bytes) { return Number(content.size(), bytes).append(content); }

std::string ServerNameExtension(std::string_view name) { return Prefixed(std::string(1, '\0') + Prefixed(name, 2), 2); }

std::string AlpnExtension(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += Prefixed(name, 1);
  return Prefixed(list, 2);
}

std::string HelloMessage(const HelloFields& fields) {
  std::string extensions;
  if (fields.name) extensions += Extension(kServerName, ServerNameExtension(*fields.name));
  extensions += Extension(kGroups, Prefixed(fields.post_quantum ? "\x11\xec\x00\x1d"s : "\x00\x1d\x00\x17"s, 2));
  extensions += Extension(kSignatures, Prefixed("\x04\x03\x08\x04\x04\x01\x05\x03", 2));
  if (!fields.alpn.empty()) extensions += Extension(kAlpn, AlpnExtension(fields.alpn));
  extensions += Extension(kVersions, Prefixed("\x03\x04\x03\x03", 1));
  std::string share = Number(kX25519, 2) + Prefixed(std::string(32, '\x77'), 2);
  if (fields.post_quantum) share = Number(kX25519MlKem768, 2) + Prefixed(std::string(1216, '\x78'), 2) + share;
  extensions += Extension(kKeyShare, Prefixed(share, 2));
  for (const auto& [type, content] : fields.extensions) extensions += Extension(type, content);
  const size_t size = 5 + 4 + Body(extensions).size();
  if (fields.size >= size + 4) extensions += Extension(kPadding, std::string(fields.size - size - 4, '\0'));
  return "\x01" + Prefixed(Body(extensions), 3);
}

std::string InRecords(std::string_view message, size_t size) {
  std::string out;
  for (; !message.empty(); message.remove_prefix(std::min(size, message.size()))) {
    out += "\x16\x03\x01" + Prefixed(message.substr(0, size), 2);
  }
  return out;
}

}  // namespace test
