#include "relay/dataplane/steer_object.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "relay/dataplane/eal.h"

// The assembler takes the bytes in; steer_object.cc depends on the object's file in CMakeLists.txt.
asm(R"(
  .pushsection .rodata
  .balign 8
  .globl relayd_steer_object
relayd_steer_object:
  .incbin ")" RELAYD_STEER_OBJECT R"("
  .globl relayd_steer_object_end
relayd_steer_object_end:
  .popsection
)");
extern "C" {
extern const uint8_t relayd_steer_object[];
extern const uint8_t relayd_steer_object_end[];
}

namespace relay {
namespace {

// The program is as the compiler wrote it: words in the byte order of this machine.
std::array<uint8_t, 4> Bytes(uint32_t word) {
  std::array<uint8_t, 4> bytes;
  std::memcpy(bytes.data(), &word, sizeof(word));
  return bytes;
}

absl::Status WriteAll(int fd, std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return absl::ErrnoToStatus(errno, "cannot write the steering program");
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

}  // namespace

std::span<const uint8_t> SteerObject() { return {relayd_steer_object, relayd_steer_object_end}; }

absl::StatusOr<std::vector<uint8_t>> PatchSteerObject(std::span<const uint8_t> object, uint16_t udp_port) {
  const std::array<uint8_t, 4> marker = Bytes(kSteerPortMarker);
  const std::array<uint8_t, 4> port = Bytes(udp_port);
  std::vector<uint8_t> patched(object.begin(), object.end());
  const auto place = std::search(patched.begin(), patched.end(), marker.begin(), marker.end());
  if (place == patched.end()) return absl::InternalError("the steering program has no place for the UDP port");
  std::copy(port.begin(), port.end(), place);
  if (std::search(patched.begin(), patched.end(), marker.begin(), marker.end()) != patched.end()) {
    return absl::InternalError("the steering program has several places for the UDP port");
  }
  return patched;
}

absl::StatusOr<std::string> WriteSteerObject(uint16_t udp_port) {
  absl::StatusOr<std::vector<uint8_t>> object = PatchSteerObject(SteerObject(), udp_port);
  if (!object.ok()) return object.status();
  const char* const folder = std::getenv("TMPDIR");
  std::string path = absl::StrCat(folder != nullptr && *folder != '\0' ? folder : "/tmp", "/relayd-steer-XXXXXX");
  const int fd = mkostemp(path.data(), O_CLOEXEC);  // Mode 0600.
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot make ", path));
  absl::Status status = WriteAll(fd, *object);
  if (close(fd) != 0 && status.ok()) status = absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path));
  if (!status.ok()) {
    unlink(path.c_str());
    return status;
  }
  return path;
}

}  // namespace relay
