// Writes relayd's XDP program, made for one UDP port, to a file: testpmd's ports get the same one by xdp_prog=.
//
//   build/release/bench/write_steer PORT FILE
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "relay/dataplane/steer_object.h"

int main(int argc, char** argv) {
  const std::string_view text = argc == 3 ? argv[1] : "";
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) {
    std::fprintf(stderr, "usage: write_steer PORT FILE\n");
    return 2;
  }
  const absl::StatusOr<std::vector<uint8_t>> object = relay::PatchSteerObject(relay::SteerObject(), port);
  if (!object.ok()) {
    std::fprintf(stderr, "write_steer: %s\n", std::string(object.status().message()).c_str());
    return 1;
  }
  std::ofstream out(argv[2], std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(object->data()), static_cast<std::streamsize>(object->size()));
  out.close();
  if (!out) {
    std::perror(argv[2]);
    return 1;
  }
  return 0;
}
