#include "bench/funnel_peer/hello.h"

#include <cstdint>
#include <initializer_list>

namespace bench {
namespace {

std::string Be16(size_t value) { return {static_cast<char>(value >> 8), static_cast<char>(value)}; }
std::string Be24(size_t value) { return static_cast<char>(value >> 16) + Be16(value & 0xffff); }
std::string Long(std::string_view bytes) { return Be16(bytes.size()) + std::string(bytes); }
std::string Bytes(std::initializer_list<uint8_t> bytes) { return {bytes.begin(), bytes.end()}; }
std::string Extension(uint16_t type, std::string_view body) { return Be16(type) + Long(body); }

// A share of X25519MLKEM768 and one of X25519: their sizes, not their mathematics.
std::string KeyShares() {
  std::string shares;
  for (const auto& [group, size] : {std::pair<uint16_t, size_t>{0x11ec, 1216}, {0x001d, 32}}) {
    shares += Be16(group) + Long(std::string(size, 'k'));
  }
  return Extension(51, Long(shares));
}

}  // namespace

std::string MakeHello(std::string_view server_name) {
  std::string extensions = Extension(0, Long('\0' + Long(server_name)));
  extensions += Extension(10, Long(Bytes({0x11, 0xec, 0x00, 0x1d, 0x00, 0x17})));
  extensions += Extension(13, Long(Bytes({0x04, 0x03, 0x08, 0x04, 0x04, 0x01})));
  extensions += Extension(16, Long(Bytes({2, 'h', '2', 8, 'h', 't', 't', 'p', '/', '1', '.', '1'})));
  extensions += Extension(43, Bytes({4, 3, 4, 3, 3}));
  extensions += KeyShares();
  std::string body = Bytes({3, 3}) + std::string(32, 'r') + static_cast<char>(32) + std::string(32, 's');
  body += Long(Bytes({0x13, 0x01, 0x13, 0x02, 0x13, 0x03, 0xc0, 0x2b})) + Bytes({1, 0});
  const size_t without_padding = 5 + 4 + body.size() + 2 + extensions.size() + 4;
  extensions += Extension(21, std::string(kHelloBytes - without_padding, '\0'));
  body += Long(extensions);
  const std::string handshake = '\1' + Be24(body.size()) + body;
  return Bytes({22, 3, 1}) + Long(handshake);
}

}  // namespace bench
