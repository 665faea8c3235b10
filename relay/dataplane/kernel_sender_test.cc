#include "relay/dataplane/kernel_sender.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <string_view>

#include "relay/dataplane/kernel_fixture.h"

namespace relay {
namespace {

std::span<const uint8_t> BytesOf(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

Path To(const disco::AddrPort& remote, std::string_view local = "") {
  Path out;
  out.remote = remote;
  if (!local.empty()) out.local_ip = At(local).ip;
  return out;
}

TEST(KernelSenderTest, SendsFromTheAddressThatWasHit) {
  const std::vector<SocketSet> sets = OpenSocketSets({}).value();
  const KernelSender send(sets.front());
  const uint16_t port = sets.front().front().port();
  const TestSocket receiver(At("127.0.0.1:0"));
  disco::AddrPort from;
  EXPECT_EQ(0, send(To(receiver.address(), "127.0.0.2:0"), BytesOf("hi")));
  EXPECT_EQ(receiver.Receive(&from), "hi");
  EXPECT_EQ(from.ToString(), "127.0.0.2:" + std::to_string(port));
  EXPECT_EQ(0, send(To(receiver.address()), BytesOf("routing chooses")));
  EXPECT_EQ(receiver.Receive(&from), "routing chooses");
  EXPECT_EQ(from.ToString(), "127.0.0.1:" + std::to_string(port));
}

TEST(KernelSenderTest, ServesIpv6ByTheSameSocket) {
  const std::vector<SocketSet> sets = OpenSocketSets({}).value();
  if (sets.front().front().family() == UdpSocket::Family::kIpv4) GTEST_SKIP() << "no IPv6 here";
  const KernelSender send(sets.front());
  const TestSocket receiver(At("[::1]:0"));
  EXPECT_EQ(0, send(To(receiver.address(), "[::1]:0"), BytesOf("hi")));
  EXPECT_EQ(receiver.Receive(), "hi");
}

TEST(KernelSenderTest, ARefusalIsAnErrno) {
  const std::vector<SocketSet> sets = OpenSocketSets({}).value();
  const TestSocket receiver(At("127.0.0.1:0"));
  const Path to = To(receiver.address(), "198.18.77.77:0");  // Not ours.
  const KernelSender send(sets.front());
  EXPECT_NE(send(to, BytesOf("hi")), 0);
  EXPECT_EQ(send(To(receiver.address()), BytesOf(std::string(70'000, 'x'))), EMSGSIZE);
  EXPECT_EQ(KernelSender(-1, -1)(To(receiver.address()), BytesOf("hi")), EBADF);
}

}  // namespace
}  // namespace relay
