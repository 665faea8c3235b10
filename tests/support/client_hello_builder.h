// TLS ClientHellos byte by byte, for tests and benchmarks: also such as no TLS library would send.
#ifndef RELAYD_TESTS_SUPPORT_CLIENT_HELLO_BUILDER_H_
#define RELAYD_TESTS_SUPPORT_CLIENT_HELLO_BUILDER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace test {

struct HelloFields {
  std::optional<std::string> name = {};
  std::vector<std::string> alpn = {};
  std::vector<std::pair<uint16_t, std::string>> extensions = {};  // Others, as they are.
  bool post_quantum = false;                                      // A key share of X25519MLKEM768: 1216 bytes.
  size_t size = 0;  // Padded to so many bytes, one record's header included.
};

std::string Number(size_t value, size_t bytes);                // Big-endian.
std::string Prefixed(std::string_view content, size_t bytes);  // Behind its length.

std::string ServerNameExtension(std::string_view name);  // The content alone.
std::string AlpnExtension(const std::vector<std::string>& names);

// The handshake message, and what carries it: in records of at most `size` bytes.
std::string HelloMessage(const HelloFields& fields);
std::string InRecords(std::string_view message, size_t size = 16384);
inline std::string Hello(const HelloFields& fields) { return InRecords(HelloMessage(fields)); }

}  // namespace test

#endif  // RELAYD_TESTS_SUPPORT_CLIENT_HELLO_BUILDER_H_
