#include "relay/dataplane/udp_socket.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <thread>

#include "relay/dataplane/ancillary.h"

namespace relay {
namespace {

// A socket of somebody else's on a port of its own.
class Holder {
 public:
  Holder(const AddrPort& address, bool reuse_port) : fd_(socket(address.IsIpv4() ? AF_INET : AF_INET6, SOCK_DGRAM, 0)) {
    const int one = 1;
    if (reuse_port) setsockopt(fd_, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
    SocketAddress any;
    socklen_t size = WriteAddress(address, any);
    bound_ = bind(fd_, &any.any, size) == 0;
    size = sizeof(any);
    getsockname(fd_, &any.any, &size);
    port_ = ReadAddress(any).port;
  }
  ~Holder() { close(fd_); }
  bool bound() const { return bound_; }
  uint16_t port() const { return port_; }

 private:
  int fd_;
  bool bound_ = false;
  uint16_t port_ = 0;
};

TEST(UdpSocketTest, OnePortForAllWorkersAndFamilies) {
  for (const bool allow_dual : {true, false}) {
    const auto sets = OpenSocketSets({.port = 0, .workers = 3, .allow_dual = allow_dual});
    ASSERT_TRUE(sets.ok()) << sets.status();
    ASSERT_EQ(sets->size(), 3u);
    for (const SocketSet& set : *sets) {
      for (const UdpSocket& socket : set) EXPECT_EQ(socket.port(), sets->front().front().port());
    }
    EXPECT_NE(sets->front().front().port(), 0);
  }
}

TEST(UdpSocketTest, APortInUseIsNoticedWhoeverHasItAndHowever) {
  for (const char* address : {"0.0.0.0:0", "127.0.0.1:0", "[::]:0", "[::1]:0"}) {
    for (const bool reuse_port : {false, true}) {
      const Holder holder(AddrPort::Parse(address).value(), reuse_port);
      if (!holder.bound()) continue;  // No IPv6 here.
      const auto sets = OpenSocketSets({.port = holder.port(), .workers = 2});
      ASSERT_FALSE(sets.ok()) << address << reuse_port;
      EXPECT_TRUE(absl::IsAlreadyExists(sets.status())) << sets.status();
      EXPECT_NE(std::string(sets.status().message()).find(std::to_string(holder.port())), std::string::npos);
    }
  }
}

TEST(UdpSocketTest, NobodyJoinsOurPortUnasked) {
  const auto sets = OpenSocketSets({.port = 0, .workers = 2});
  ASSERT_TRUE(sets.ok());
  const auto again = OpenSocketSets({.port = sets->front().front().port(), .workers = 2});
  EXPECT_TRUE(absl::IsAlreadyExists(again.status())) << again.status();
}

TEST(UdpSocketTest, ThePortIsFreeAgainAfterwards) {
  uint16_t port = 0;
  for (int i = 0; i < 3; ++i) {
    const auto sets = OpenSocketSets({.port = port, .workers = 2});
    ASSERT_TRUE(sets.ok()) << sets.status();
    port = sets->front().front().port();
  }
}

TEST(UdpSocketTest, ShutdownEndsABlockingReceive) {
  const auto sets = OpenSocketSets({.port = 0, .workers = 1});
  ASSERT_TRUE(sets.ok());
  const UdpSocket& socket = sets->front().front();
  std::thread reader([&] {
    uint8_t byte;
    while (recv(socket.fd(), &byte, 1, 0) > 0) {
    }
  });
  socket.Shutdown();
  reader.join();  // Or the test never ends.
}

}  // namespace
}  // namespace relay
