// An AF_XDP port on a veth in a namespace of the test's own: what the relay's port gets comes to us, all else goes to
// the kernel, and all of it when we have gone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_join.h"
#include "relay/dataplane/eal.h"
#include "relay/dataplane/kernel_fixture.h"
#include "relay/dataplane/kernel_interface.h"
#include "relay/dataplane/port.h"

namespace relay {
namespace {

using testing::Contains;
using testing::HasSubstr;

constexpr uint16_t kRelayPort = 40123;

// Puts frames on the wire at an interface, as a neighbour would.
class Wire {
 public:
  explicit Wire(const char* interface) : fd_(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)) {
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_ifindex = static_cast<int>(if_nametoindex(interface));
    EXPECT_EQ(bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }
  ~Wire() { close(fd_); }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  void Send(const Bytes& frame) const {
    EXPECT_EQ(send(fd_, frame.data(), frame.size(), 0), static_cast<ssize_t>(frame.size()));
  }

 private:
  const int fd_;
};

UdpFrame FrameTo(const Port& port, const std::string& to, const std::string& payload) {
  UdpFrame frame;
  frame.to = port.mac;
  frame.from = {2, 0, 0, 0, 0, 9};
  frame.source = At("198.18.5.2:7");
  frame.destination = At(to);
  frame.payload = payload;
  return frame;
}

// The next relay datagram on the port; the fixture's frames alone are on this wire.
std::optional<UdpFrame> ReceiveFrom(const Port& port) {
  rte_mbuf* m = nullptr;
  if (!Await([&] { return rte_eth_rx_burst(port.id, 0, &m, 1) == 1; })) return std::nullopt;
  const auto* const bytes = rte_pktmbuf_mtod(m, const uint8_t*);
  const std::optional<UdpFrame> frame = ParseFrame({bytes, m->data_len});
  rte_pktmbuf_free(m);
  return frame;
}

TEST(AfXdpPortTest, TakesItsPortAndLeavesTheRestToTheKernel) {
  if (!EnterEmptyNamespace()) GTEST_SKIP() << "this needs the right to make network namespaces";
  ASSERT_TRUE(Ip("link add va type veth peer name vb") && Ip("link set va mtu 1450 up") && Ip("link set vb up"));
  ASSERT_TRUE(Ip("address add 198.18.5.1/24 dev va"));
  const std::optional<KernelInterface> veth = ReadKernelInterface(if_nametoindex("va"));
  ASSERT_TRUE(veth);
  EXPECT_EQ(veth->name, "va");
  EXPECT_EQ(veth->driver, "veth");
  EXPECT_EQ(veth->mtu, 1450);
  EXPECT_TRUE(veth->IsVirtual());
  EXPECT_FALSE(ReadKernelInterface(0));

  DpdkOptions options;
  options.eal = "--no-huge -m 256 --no-shconf --no-pci --vdev=net_af_xdp0,iface=va";
  options.workers = 2;
  options.reassemble = true;
  options.rx_descriptors = 1000;
  auto eal = Eal::Start(options, kRelayPort);
  ASSERT_TRUE(eal.ok()) << eal.status();
  EXPECT_THAT(std::string(Ports::Open(options, kRelayPort).status().message()), HasSubstr("powers of two"));
  options.rx_descriptors = 1024;
  auto opened = Ports::Open(options, kRelayPort);
  ASSERT_TRUE(opened.ok()) << opened.status();
  Ports& ports = **opened;
  ASSERT_TRUE(ports.Start().ok());
  EXPECT_THAT(ports.Warnings(), Contains(HasSubstr("--reassemble does nothing")));
  ASSERT_EQ(ports.ports().size(), 1u);
  const Port port = ports.ports()[0];
  EXPECT_EQ(port.driver, "net_af_xdp");
  EXPECT_EQ(port.kernel_interface.Get(), if_nametoindex("va"));
  EXPECT_TRUE(port.steered);
  EXPECT_EQ(port.rx_queues, 1);
  EXPECT_EQ(port.mtu.Get(), 1450);
  const std::string warnings = absl::StrJoin(ports.Warnings(), "\n");
  EXPECT_THAT(warnings, HasSubstr("--udp_checksum=compute"));
  EXPECT_THAT(warnings, HasSubstr("two workers means two ports"));

  const TestSocket relay_socket(At("198.18.5.1:" + std::to_string(kRelayPort)));
  const TestSocket other_socket(At("198.18.5.1:40124"));
  const Wire wire("vb");
  wire.Send(BuildFrame(FrameTo(port, "198.18.5.1:40124", "other")));
  UdpFrame tagged = FrameTo(port, "198.18.5.1:40123", "tagged");
  tagged.vlan = 7;
  wire.Send(BuildFrame(tagged));
  wire.Send(BuildFrame(FrameTo(port, "198.18.5.1:40123", "relay")));
  EXPECT_EQ(other_socket.Receive(), "other");
  for (const char* const payload : {"tagged", "relay"}) {
    const std::optional<UdpFrame> frame = ReceiveFrom(port);
    ASSERT_TRUE(frame) << payload;
    EXPECT_EQ(frame->payload, payload);
    EXPECT_EQ(frame->source, At("198.18.5.2:7"));
    EXPECT_TRUE(frame->checksums_right);
  }

  // Gone, program and all: what comes now is the first that the kernel's socket on that port gets.
  opened->reset();
  eal->reset();
  wire.Send(BuildFrame(FrameTo(port, "198.18.5.1:40123", "after")));
  EXPECT_EQ(relay_socket.Receive(), "after");
}

}  // namespace
}  // namespace relay
