#include "relay/dataplane/gso.h"

#include <array>
#include <charconv>
#include <cstring>

namespace relay {

bool KernelCorruptsTrains(std::string_view release) {
  // Major, minor, patch: "7.1.4-generic" or "7.0-rc3"; what is missing is 0.
  std::array<int, 3> version{};
  const char* at = release.data();
  const char* const end = at + release.size();
  for (int& number : version) {
    const auto [next, error] = std::from_chars(at, end, number);
    if (error != std::errc() || next == end || *next != '.') break;
    at = next + 1;
  }
  return version >= std::array{7, 0, 0} && version <= std::array{7, 1, 4};
}

size_t GsoRefusals::Index(const Path& to) {
  std::array<uint64_t, sizeof(AddrPort) / sizeof(uint64_t)> words;
  std::memcpy(words.data(), &to.remote, sizeof(to.remote));
  return ((words[0] ^ words[1] ^ words[2]) * 0x9E3779B97F4A7C15u >> 32) % kEntries;
}

}  // namespace relay
