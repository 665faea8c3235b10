#include "tests/support/vectors.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

namespace test {
namespace {

[[noreturn]] void Die(const char* what, std::string_view detail) {
  std::fprintf(stderr, "%s: %.*s\n", what, static_cast<int>(detail.size()), detail.data());
  std::abort();
}

int Digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  Die("not a hex digit", {&c, 1});
}

}  // namespace

const boost::json::value& Vectors() {
  static const boost::json::value vectors = [] {
    const std::string path = RELAYD_TEST_DATA "/reference.json";
    std::ifstream file(path, std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    if (text.empty()) Die("cannot read", path);
    boost::json::error_code error;
    boost::json::value value = boost::json::parse(text, error);
    if (error) Die("not JSON", path);
    return value;
  }();
  return vectors;
}

std::vector<uint8_t> FromHex(std::string_view hex) {
  if (hex.size() % 2 != 0) Die("odd number of hex digits", hex);
  std::vector<uint8_t> out(hex.size() / 2);
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<uint8_t>(Digit(hex[2 * i]) << 4 | Digit(hex[2 * i + 1]));
  return out;
}

std::string ToHex(const std::vector<uint8_t>& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const uint8_t byte : bytes) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

}  // namespace test
