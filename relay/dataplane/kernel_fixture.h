// For tests of what lies between the worker and the kernel: a namespace of the test's own, and frames by hand.
#ifndef RELAYD_RELAY_DATAPLANE_KERNEL_FIXTURE_H_
#define RELAYD_RELAY_DATAPLANE_KERNEL_FIXTURE_H_

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "disco/addr_port.h"

namespace relay {

using Bytes = std::vector<uint8_t>;
using Mac = std::array<uint8_t, 6>;

// True once this process is in a network namespace of its own with its loopback up, and the command `ip` works there.
// Before any thread is started.
bool EnterEmptyNamespace();

// `ip ARGUMENTS`; true if it succeeds.
bool Ip(const std::string& arguments);

// Waits until it holds, some seconds at most.
bool Await(const std::function<bool()>& condition);

// A UDP datagram over IPv4 in an Ethernet frame, with one 802.1Q tag if vlan is not 0.
struct UdpFrame {
  Mac to{};
  Mac from{};
  uint16_t vlan = 0;
  disco::AddrPort source;
  disco::AddrPort destination;
  std::string payload;
  bool checksums_right = true;
};
Bytes BuildFrame(const UdpFrame& frame);
// nullopt if it is something else.
std::optional<UdpFrame> ParseFrame(std::span<const uint8_t> bytes);

// A kernel socket that waits some seconds for what it receives.
class TestSocket {
 public:
  explicit TestSocket(const disco::AddrPort& local);
  ~TestSocket();
  TestSocket(const TestSocket&) = delete;
  TestSocket& operator=(const TestSocket&) = delete;

  int fd() const { return fd_; }
  disco::AddrPort address() const;
  bool Send(std::string_view payload, const disco::AddrPort& to) const;
  // Empty after some seconds.
  std::string Receive(disco::AddrPort* from = nullptr) const;

 private:
  int fd_;
};

disco::AddrPort At(std::string_view text);  // "198.18.0.1:7", which parses.

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_KERNEL_FIXTURE_H_
