// The socket workers in a network namespace of the test's own, whose loopback device is made to be what is needed.
#include <arpa/inet.h>
#include <linux/ipv6.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "relay/dataplane/backend_fixture.h"

namespace relay {
namespace {

constexpr int kMtu = 1500;
constexpr uint32_t kLoopbackIndex = 1;

// The kernel takes a moment to look for duplicates of a new address; it serves once it can be bound.
bool AwaitUsable(const in6_addr& ip) {
  const int fd = socket(AF_INET6, SOCK_DGRAM, 0);
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = ip;
  address.sin6_scope_id = kLoopbackIndex;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  int result = -1;
  while ((result = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address))) != 0 &&
         errno == EADDRNOTAVAIL && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  close(fd);
  return result == 0;
}

// True once this process has a namespace with its loopback up, an MTU of kMtu, and fe80::1 and fe80::2.
bool EnterNamespace() {
  static const bool entered = [] {
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return false;
    const int v4 = socket(AF_INET, SOCK_DGRAM, 0);
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP;
    bool ok = ioctl(v4, SIOCSIFFLAGS, &request) == 0;
    request.ifr_mtu = kMtu;
    ok = ok && ioctl(v4, SIOCSIFMTU, &request) == 0;
    close(v4);
    const int v6 = socket(AF_INET6, SOCK_DGRAM, 0);
    for (const char* address : {"fe80::1", "fe80::2"}) {
      in6_ifreq add{};
      inet_pton(AF_INET6, address, &add.ifr6_addr);
      add.ifr6_prefixlen = 64;
      add.ifr6_ifindex = static_cast<int>(kLoopbackIndex);
      ok = ok && ioctl(v6, SIOCSIFADDR, &add) == 0 && AwaitUsable(add.ifr6_addr);
    }
    close(v6);
    return ok;
  }();
  return entered;
}

class BackendNetnsTest : public BackendTest {
 protected:
  void SetUp() override {
    if (!EnterNamespace()) GTEST_SKIP() << "no namespace with IPv6 for us here";
    StartRelay();
  }
};

// 1472 bytes fill an IPv4 packet of 1500, and are too many for one of IPv6, so that the kernel refuses the train; each
// datagram is then sent alone, in fragments.
TEST_F(BackendNetnsTest, ARefusedTrainIsRepeatedAsDatagrams) {
  auto [alice, bob] = BoundPair("127.0.0.1:0", "[::1]:0", "", "", true);
  auto [carol, dave] = BoundPair("127.0.0.1:0", "[::1]:0", "", "", true);
  constexpr size_t kSize = 1472;
  for (int round = 0; round < 2; ++round) {
    std::vector<Bytes> datagrams;
    for (int i = 0; i < 20; ++i) datagrams.push_back(Data(alice.vni(), std::to_string(i), kSize));
    alice.SendTrain(datagrams, kSize);
    for (int i = 0; i < 20; ++i) {
      const SocketClient::Message message = bob.Receive();
      EXPECT_EQ(message.gro_size, 0u);
      EXPECT_EQ(message.bytes.size(), kSize);
      EXPECT_EQ(TextOf(message.bytes), std::to_string(i));
    }
  }
  // The second train was not tried whole. Others' trains, and smaller ones, still are.
  const Counters& counters = backend_->counters(0);
  EXPECT_EQ(counters.gso_fallbacks.Get(), 1u);
  carol.SendTrain(std::vector<Bytes>(4, Data(carol.vni(), "other", 1000)), 1000);
  EXPECT_EQ(dave.Receive().gro_size, 1000u);
  alice.SendTrain(std::vector<Bytes>(4, Data(alice.vni(), "smaller", 1000)), 1000);
  EXPECT_EQ(bob.Receive().gro_size, 1000u);
  EXPECT_TRUE(Await([&] { return Forwarded() == 48; }));
  EXPECT_EQ(Dropped(DropReason::kTooBig) + Dropped(DropReason::kSendFailed), 0u);
}

TEST_F(BackendNetnsTest, LinkLocalClientsKeepTheirScope) {
  auto [alice, bob] = BoundPair("[fe80::1%1]:0", "127.0.0.1:0", "[fe80::2%1]:1");
  EXPECT_EQ(alice.challenged_from().IpToString(), "fe80::2%1");
  alice.SendText("to bob");
  EXPECT_EQ(bob.ReceiveText(), "to bob");
  bob.SendText("to alice");
  const SocketClient::Message message = alice.Receive();
  EXPECT_EQ(TextOf(message.bytes), "to alice");
  EXPECT_EQ(message.from.scope, kLoopbackIndex);
  EXPECT_EQ(message.from.IpToString(), "fe80::2%1");
}

}  // namespace
}  // namespace relay
