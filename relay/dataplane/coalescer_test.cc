#include "relay/dataplane/coalescer.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace relay {
namespace {

Path To(uint16_t port) {
  Path path;
  path.remote = AddrPort::FromIpv4({198, 18, 0, 1}, port);
  return path;
}

class CoalescerTest : public testing::Test {
 protected:
  void Add(uint16_t port, size_t bytes, uint32_t gro_size = 0) {
    coalescer_->Add(To(port), Train::Of(std::span(memory_).first(bytes), gro_size), Transport::kUdp4);
  }
  // The messages as `port:segments*segment_size=bytes`.
  std::string Messages() const {
    std::string out;
    for (const Outgoing& m : coalescer_->messages()) {
      if (!out.empty()) out += ' ';
      out += std::to_string(m.to.remote.port) + ':' + std::to_string(m.segments) + '*' +
             std::to_string(m.segment_size) + '=' + std::to_string(m.bytes);
    }
    return out;
  }

  std::vector<uint8_t> memory_ = std::vector<uint8_t>(65535);
  std::unique_ptr<Coalescer> coalescer_ = std::make_unique<Coalescer>(true);
};

TEST_F(CoalescerTest, MergesInterleavedDestinations) {
  for (int i = 0; i < 3; ++i) {
    for (uint16_t port = 1; port <= 3; ++port) Add(port, 100);
  }
  EXPECT_EQ(Messages(), "1:3*100=300 2:3*100=300 3:3*100=300");
}

TEST_F(CoalescerTest, OnlyTheLastSegmentMayBeShorter) {
  for (const size_t bytes : {100, 60, 100, 120, 100, 100}) Add(1, bytes);
  // A short one ends the first; 120 does not fit 100, and 100 ends 120's.
  EXPECT_EQ(Messages(), "1:2*100=160 1:1*100=100 1:2*120=220 1:1*100=100");
}

TEST_F(CoalescerTest, MergesTrainsOfOneSegmentSize) {
  Add(1, 400, 100);
  Add(1, 250, 100);  // Ends in a short one.
  Add(1, 300, 100);
  Add(1, 300, 150);
  EXPECT_EQ(Messages(), "1:7*100=650 1:3*100=300 1:2*150=300");
}

TEST_F(CoalescerTest, CapsSegments) {
  for (int i = 0; i < 130; ++i) Add(1, 20);
  EXPECT_EQ(Messages(), "1:64*20=1280 1:64*20=1280 1:2*20=40");
}

TEST_F(CoalescerTest, CapsBytes) {
  for (int i = 0; i < 47; ++i) Add(1, 1400);
  EXPECT_EQ(Messages(), "1:46*1400=64400 1:1*1400=1400");
}

TEST_F(CoalescerTest, SplitsTrainsOverTheCaps) {
  Add(1, 130 * 20 + 5, 20);  // Newer kernels allow 128 segments.
  Add(2, 65535, 1400);
  Add(3, 65535);  // One datagram is one datagram.
  EXPECT_EQ(Messages(), "1:64*20=1280 1:64*20=1280 1:3*20=45 2:46*1400=64400 2:1*1135=1135 3:1*65535=65535");
}

TEST_F(CoalescerTest, RepliesStandAlone) {
  Add(1, 160);
  coalescer_->AddReply(To(1), std::span(memory_).first(160));
  Add(1, 160);
  EXPECT_EQ(Messages(), "1:2*160=320 1:1*160=160");
  EXPECT_FALSE(coalescer_->messages()[0].is_reply);
  EXPECT_TRUE(coalescer_->messages()[1].is_reply);
}

TEST_F(CoalescerTest, DestinationsDifferByLocalAddressToo) {
  Path other = To(1);
  other.local_ip = AddrPort::FromIpv4({198, 18, 0, 9}, 0).ip;
  Add(1, 100);
  coalescer_->Add(other, Train::Of(std::span(memory_).first(100), 0), Transport::kUdp4);
  EXPECT_EQ(coalescer_->messages().size(), 2u);
}

TEST_F(CoalescerTest, ChainsPiecesInOrderAndKnowsTheirTransport) {
  const std::span bytes(memory_);
  coalescer_->Add(To(1), Train::Of(bytes.subspan(0, 100), 0), Transport::kUdp4);
  coalescer_->Add(To(2), Train::Of(bytes.subspan(100, 100), 0), Transport::kUdp4);
  coalescer_->Add(To(1), Train::Of(bytes.subspan(200, 200), 100), Transport::kUdp6);
  const Outgoing& message = coalescer_->messages()[0];
  ASSERT_EQ(message.pieces, 2);
  const Coalescer::Piece& first = coalescer_->piece(message.first);
  const Coalescer::Piece& second = coalescer_->piece(first.next);
  EXPECT_EQ(first.train.bytes.data(), bytes.data());
  EXPECT_EQ(second.train.bytes.data(), bytes.data() + 200);
  EXPECT_EQ(second.transport_in, Transport::kUdp6);
  EXPECT_EQ(message.packets_by_transport, (std::array<uint32_t, 2>{1, 2}));
  EXPECT_EQ(message.bytes_by_transport, (std::array<uint32_t, 2>{100, 200}));
}

TEST_F(CoalescerTest, ClearForgetsOpenMessages) {
  Add(1, 100);
  coalescer_->Clear();
  EXPECT_EQ(Messages(), "");
  Add(1, 100);
  EXPECT_EQ(Messages(), "1:1*100=100");
}

TEST_F(CoalescerTest, WithoutMergingTrainsStayTrains) {
  coalescer_ = std::make_unique<Coalescer>(false);
  Add(1, 100);
  Add(1, 100);
  Add(1, 300, 100);
  EXPECT_EQ(Messages(), "1:1*100=100 1:1*100=100 1:3*100=300");
}

TEST_F(CoalescerTest, HasRoomForAnyTrainOrSaysSo) {
  int trains = 0;
  for (; coalescer_->HasRoom(); ++trains) Add(static_cast<uint16_t>(trains), 65535, 8);
  EXPECT_GE(trains, 7);
  EXPECT_LE(coalescer_->messages().size(), Coalescer::kMaxPieces);
}

// More destinations than slots of a neighbourhood: nothing is lost or merged wrongly, at worst not merged.
TEST_F(CoalescerTest, ManyDestinations) {
  uint32_t added = 0;
  for (int round = 0; round < 2; ++round) {
    for (uint16_t port = 1; port <= 400; ++port, ++added) Add(port, 100);
  }
  uint32_t packets = 0;
  for (const Outgoing& m : coalescer_->messages()) packets += m.segments;
  EXPECT_EQ(packets, added);
  EXPECT_LT(coalescer_->messages().size(), 420u);
}

}  // namespace
}  // namespace relay
