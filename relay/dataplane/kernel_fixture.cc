#include "relay/dataplane/kernel_fixture.h"

#include <arpa/inet.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "relay/dataplane/ancillary.h"

namespace relay {

namespace {

constexpr std::chrono::seconds kPatience{20};
constexpr size_t kEthernet = 14;
constexpr size_t kTag = 4;
constexpr size_t kIpv4 = 20;
constexpr size_t kUdp = 8;
constexpr size_t kMapped = 12;

void Put16(Bytes& out, size_t value) {
  out.push_back(static_cast<uint8_t>(value >> 8));
  out.push_back(static_cast<uint8_t>(value));
}
uint16_t Get16(std::span<const uint8_t> bytes) { return static_cast<uint16_t>(bytes[0] << 8 | bytes[1]); }

uint32_t Sum(std::span<const uint8_t> bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); ++i) sum += uint32_t{bytes[i]} << (i % 2 == 0 ? 8 : 0);
  return sum;
}
uint16_t Fold(uint32_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

// Of a datagram whose IPv4 header, without options, begins `ip`: what its UDP checksum would be with what it holds.
uint16_t UdpSum(std::span<const uint8_t> ip) {
  const size_t size = Get16(ip.subspan(kIpv4 + 4));
  return Fold(Sum(ip.subspan(kMapped, 8)) + IPPROTO_UDP + static_cast<uint32_t>(size) + Sum(ip.subspan(kIpv4, size)));
}

// With a user namespace whose root we are, so that programs we start have its privileges too.
bool EnterAsRootOfItsOwn() {
  const auto map = [](unsigned id) { return absl::StrCat("0 ", id, " 1"); };
  const std::string users = map(geteuid());
  const std::string groups = map(getegid());
  if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return false;
  const auto write = [](const char* path, const std::string& text) {
    return static_cast<bool>(std::ofstream(path) << text << std::flush);
  };
  return write("/proc/self/setgroups", "deny") && write("/proc/self/uid_map", users) &&
         write("/proc/self/gid_map", groups);
}

}  // namespace

bool EnterEmptyNamespace() {
  static const bool entered = [] {
    if (unshare(CLONE_NEWNET) != 0 && !EnterAsRootOfItsOwn()) return false;
    return Ip("link set lo up");
  }();
  return entered;
}

bool Ip(const std::string& arguments) { return std::system(("ip " + arguments).c_str()) == 0; }

bool Await(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return true;
}

Bytes BuildFrame(const UdpFrame& frame) {
  Bytes out(frame.to.begin(), frame.to.end());
  out.insert(out.end(), frame.from.begin(), frame.from.end());
  if (frame.vlan != 0) {
    Put16(out, 0x8100);
    Put16(out, frame.vlan);
  }
  Put16(out, 0x0800);
  const size_t ip = out.size();
  Put16(out, 0x4500);
  Put16(out, kIpv4 + kUdp + frame.payload.size());
  Put16(out, 0);
  Put16(out, 0);
  Put16(out, 64 << 8 | IPPROTO_UDP);
  Put16(out, 0);
  out.insert(out.end(), frame.source.ip.begin() + kMapped, frame.source.ip.end());
  out.insert(out.end(), frame.destination.ip.begin() + kMapped, frame.destination.ip.end());
  Put16(out, frame.source.port);
  Put16(out, frame.destination.port);
  Put16(out, kUdp + frame.payload.size());
  Put16(out, 0);
  out.insert(out.end(), frame.payload.begin(), frame.payload.end());
  const auto store = [&](size_t at, uint16_t value) {
    out[at] = static_cast<uint8_t>(value >> 8);
    out[at + 1] = static_cast<uint8_t>(value);
  };
  store(ip + 10, Fold(Sum(std::span(out).subspan(ip, kIpv4))));
  store(ip + kIpv4 + 6, static_cast<uint16_t>(UdpSum(std::span(out).subspan(ip)) ^ (frame.checksums_right ? 0 : 1)));
  return out;
}

std::optional<UdpFrame> ParseFrame(std::span<const uint8_t> bytes) {
  if (bytes.size() < kEthernet + kTag + kIpv4 + kUdp) return std::nullopt;  // All frames of these tests are longer.
  UdpFrame out;
  std::memcpy(out.to.data(), bytes.data(), out.to.size());
  std::memcpy(out.from.data(), bytes.data() + out.to.size(), out.from.size());
  std::span<const uint8_t> rest = bytes.subspan(kEthernet - 2);
  if (Get16(rest) == 0x8100) {
    out.vlan = Get16(rest.subspan(2)) & 0xfff;
    rest = rest.subspan(kTag);
  }
  if (Get16(rest) != 0x0800 || rest.size() < 2 + kIpv4 + kUdp) return std::nullopt;
  const std::span<const uint8_t> ip = rest.subspan(2);
  const size_t total = Get16(ip.subspan(2));
  const size_t udp_size = Get16(ip.subspan(kIpv4 + 4));
  if (ip[0] != 0x45 || ip[9] != IPPROTO_UDP || total > ip.size() || total != kIpv4 + udp_size) return std::nullopt;
  const std::span<const uint8_t> udp = ip.subspan(kIpv4, udp_size);
  out.source = disco::AddrPort::FromIpv4({ip[12], ip[13], ip[14], ip[15]}, Get16(udp));
  out.destination = disco::AddrPort::FromIpv4({ip[16], ip[17], ip[18], ip[19]}, Get16(udp.subspan(2)));
  out.payload.assign(udp.begin() + kUdp, udp.end());
  out.checksums_right = Get16(udp.subspan(6)) != 0 && Fold(Sum(ip.first(kIpv4))) == 0 && UdpSum(ip) == 0;
  return out;
}

TestSocket::TestSocket(const disco::AddrPort& local)
    : fd_(socket(local.IsIpv4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  const timeval patience{.tv_sec = kPatience.count(), .tv_usec = 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  SocketAddress address;
  const socklen_t size = WriteAddress(local, address);
  if (bind(fd_, &address.any, size) != 0) std::abort();
}

TestSocket::~TestSocket() { close(fd_); }

disco::AddrPort TestSocket::address() const {
  SocketAddress address{};
  socklen_t size = sizeof(address);
  getsockname(fd_, &address.any, &size);
  return ReadAddress(address);
}

bool TestSocket::Send(std::string_view payload, const disco::AddrPort& to) const {
  SocketAddress address;
  const socklen_t size = WriteAddress(to, address);
  return sendto(fd_, payload.data(), payload.size(), 0, &address.any, size) == static_cast<ssize_t>(payload.size());
}

std::string TestSocket::Receive(disco::AddrPort* from) const {
  std::string out(65536, '\0');
  SocketAddress address{};
  socklen_t address_size = sizeof(address);
  const ssize_t size = recvfrom(fd_, out.data(), out.size(), 0, &address.any, &address_size);
  out.resize(size < 0 ? 0 : static_cast<size_t>(size));
  if (from != nullptr) *from = ReadAddress(address);
  return out;
}

disco::AddrPort At(std::string_view text) { return disco::AddrPort::Parse(text).value(); }

}  // namespace relay
