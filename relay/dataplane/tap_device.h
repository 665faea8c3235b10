// A TAP interface: what is written to it arrives in the kernel as a frame, what the kernel sends by it is read.
#ifndef RELAYD_RELAY_DATAPLANE_TAP_DEVICE_H_
#define RELAYD_RELAY_DATAPLANE_TAP_DEVICE_H_

#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace relay {

class TapDevice {
 public:
  struct Options {
    std::string name;
    std::array<uint8_t, 6> mac{};
    uint16_t mtu = 1500;
    uint32_t interface = 0;  // The index that a new one is to have; 0: any.
  };

  // Makes the interface, or takes the persistent one of this name that an operator has prepared, and sets it up.
  // Changes only what is not as wanted already, so that a prepared one needs no privilege. An error is one line that
  // says what to do. The interface goes when this does, unless it is persistent.
  static absl::StatusOr<TapDevice> Open(const Options& options);

  TapDevice(TapDevice&& other) noexcept;
  TapDevice& operator=(TapDevice&& other) noexcept;
  ~TapDevice();

  int fd() const { return fd_; }  // Non-blocking; readable when the kernel has a frame.
  uint32_t interface() const { return interface_; }
  const std::string& name() const { return name_; }

  // One frame without preamble and checksum. Checksums within it are finished: the interface has no offloads.
  // Returns its length (at most room.size(): what is longer is cut), or -1 and errno; EAGAIN: there is none.
  ssize_t Read(std::span<uint8_t> room) const;
  // One frame in pieces. False and errno if the kernel refuses it.
  bool Write(std::span<const iovec> pieces) const;

 private:
  explicit TapDevice(int fd) : fd_(fd) {}
  absl::Status Create(const Options& options);
  absl::Status Configure(const Options& options);

  int fd_ = -1;
  uint32_t interface_ = 0;
  std::string name_;
};

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_TAP_DEVICE_H_
