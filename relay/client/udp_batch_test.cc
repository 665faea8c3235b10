#include "relay/client/udp_batch.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <string_view>

namespace relay::client {
namespace {

std::span<const uint8_t> Bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

disco::AddrPort LocalAddress(const Fd& fd) {
  SocketAddress address{};
  socklen_t size = sizeof(address);
  getsockname(fd.get(), &address.any, &size);
  return ReadAddress(address);
}

// All datagrams that arrive, trains taken apart, until there are `count`.
std::vector<std::string> ReceiveAll(const Fd& fd, size_t count) {
  ReceiveBatch batch;
  std::vector<std::string> datagrams;
  pollfd ready{.fd = fd.get(), .events = POLLIN, .revents = 0};
  while (datagrams.size() < count && poll(&ready, 1, 5000) == 1) {
    for (const ReceiveBatch::Message& message : batch.Receive(fd.get())) {
      for (uint32_t i = 0; i < message.train.segments; ++i) {
        const auto bytes = message.train.Slice(i, 1).bytes;
        datagrams.emplace_back(bytes.begin(), bytes.end());
      }
    }
  }
  return datagrams;
}

class UdpBatchTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    absl::StatusOr<Fd> bound = BindUdp(*disco::AddrPort::Parse(GetParam()));
    ASSERT_TRUE(bound.ok()) << bound.status();
    receiver_ = *std::move(bound);
    absl::StatusOr<Fd> any = OpenUdp();
    ASSERT_TRUE(any.ok()) << any.status();
    sender_ = *std::move(any);
  }

  Fd receiver_, sender_;
  SendBatch batch_;
};

TEST_P(UdpBatchTest, KeepsOrderAndBoundsWhateverTheSizes) {
  std::vector<std::string> payloads;
  for (int i = 0; i < 300; ++i) {
    // Runs of one size, shorter and longer ones between, and some too large to share a train.
    const size_t size = i % 97 == 96 ? 40000 : i % 7 == 6 ? 10 + i : i % 11 == 10 ? 1200 : 100;
    payloads.push_back(std::to_string(i) + std::string(size, static_cast<char>('a' + i % 26)));
  }
  size_t next = 0;
  std::vector<std::string> received;
  while (next < payloads.size()) {  // Some at a time: a socket's buffer is finite.
    const size_t end = std::min(next + 50, payloads.size());
    for (; next < end; ++next) batch_.Add(Bytes("HEADER: "), Bytes(payloads[next]));
    ASSERT_EQ(batch_.Send(sender_.get(), LocalAddress(receiver_)), 0);
    EXPECT_TRUE(batch_.empty());
    for (std::string& datagram : ReceiveAll(receiver_, end - received.size())) received.push_back(std::move(datagram));
  }
  ASSERT_EQ(received.size(), payloads.size());
  for (size_t i = 0; i < payloads.size(); ++i) EXPECT_EQ(received[i], "HEADER: " + payloads[i]) << i;
}

TEST_P(UdpBatchTest, SendsManyOfOneSizeAsTrains) {
  if (!batch_.sends_trains()) GTEST_SKIP() << "this kernel corrupts trains";
  for (int i = 0; i < 64; ++i) batch_.Add({}, Bytes("equal"));
  ASSERT_EQ(batch_.Send(sender_.get(), LocalAddress(receiver_)), 0);
  ReceiveBatch received;
  EXPECT_EQ(received.Receive(receiver_.get()).front().train.segments, 64u);
}

TEST_P(UdpBatchTest, WhatCannotBeSentDoesNotHoldTheRestUp) {
  const std::string too_long(65535, 'x');
  batch_.Add({}, Bytes("before"));
  batch_.Add({}, Bytes(too_long));
  batch_.Add({}, Bytes("after"));
  const int error = batch_.Send(sender_.get(), LocalAddress(receiver_));
  EXPECT_EQ(error, EMSGSIZE);
  EXPECT_FALSE(IsPathError(error));
  EXPECT_EQ(ReceiveAll(receiver_, 2), (std::vector<std::string>{"before", "after"}));
}

TEST_P(UdpBatchTest, TellsADeadPathFromADatagramThatIsTooLong) {
  const disco::AddrPort forbidden = *disco::AddrPort::Parse("255.255.255.255:9");  // Without SO_BROADCAST.
  const std::string too_long(65535, 'x');
  batch_.Add({}, Bytes("short"));
  batch_.Add({}, Bytes(too_long));
  const int error = batch_.Send(sender_.get(), forbidden);
  EXPECT_EQ(error, EACCES);
  EXPECT_TRUE(IsPathError(error));
}

TEST_P(UdpBatchTest, NothingThereIsNoBatch) {
  ReceiveBatch received;
  EXPECT_TRUE(received.Receive(receiver_.get()).empty());
}

TEST_P(UdpBatchTest, SaysWhichAddressIsTaken) {
  const disco::AddrPort taken = LocalAddress(receiver_);
  const absl::StatusOr<Fd> second = BindUdp(taken);
  ASSERT_FALSE(second.ok());
  EXPECT_NE(std::string(second.status().message()).find(taken.ToString()), std::string::npos) << second.status();
}

INSTANTIATE_TEST_SUITE_P(Families, UdpBatchTest, testing::Values("127.0.0.1:0", "[::1]:0"));

}  // namespace
}  // namespace relay::client
