// Frames in, frames out: every combination of headers, and what a burst of many fates comes to.
#include <gmock/gmock.h>

#include <string>

#include "relay/dataplane/dpdk_worker_fixture.h"

namespace relay {
namespace {

using test::PacketRow;
using test::SentFrame;
using test::WorkerWorld;

class WorkerForwardTest : public WorkerTest {};

PacketRow Tagged(PacketRow row, uint16_t tag) {
  row.vlan = tag;
  return row;
}

TEST_F(WorkerForwardTest, EveryCombinationOfHeaders) {
  PacketRow other4 = Row4();
  other4.from = "198.18.0.2:1003";
  other4.from_mac = {2, 0, 0, 0, 0, 7};
  PacketRow other6 = Row6();
  other6.from = "[2001:db8::3]:1004";
  other6.from_mac = {2, 0, 0, 0, 0, 8};
  WorkerWorld& relay = UseStarted();
  uint64_t sent = 0;
  for (const PacketRow& from : {Row4(), Row6(), Tagged(Row4(), 5), Tagged(Row6(), 0x0fff)}) {
    for (const PacketRow& to : {other4, other6, Tagged(other4, 6), Tagged(other6, 5)}) {
      relay.Bind(relay.PathOf(from), relay.PathOf(to));
      for (const size_t bytes : {0, 1, 32, 1201, 1400}) {
        for (const uint8_t traffic_class : {0x00, 0x03, 0xb9}) {
          for (const uint16_t error : {0, 5}) {
            PacketRow row = Data(from, bytes);
            row.traffic_class = traffic_class;
            row.udp_checksum_error = error;
            row.padding = bytes < 10 ? 18 : 0;
            const std::vector<SentFrame> out = Exchange(row);
            ASSERT_EQ(out.size(), 1u);
            ExpectForwarded(out[0], row, relay.PathOf(to), relay.ports[0]);
            ++sent;
          }
        }
      }
    }
  }
  EXPECT_EQ(relay.Count().forwarded, sent);
}

TEST_F(WorkerForwardTest, OptionsPrioritiesAndMissingChecksums) {
  WorkerWorld& relay = UseStarted();
  PacketRow options = Data(Row4());
  options.options = Bytes(40, 1);
  PacketRow behind = Data(Row4());
  behind.behind_udp = Bytes(5, 0xdd);
  PacketRow none = Data(Row4());
  none.udp_checksum = 0;
  PacketRow all_ones = Data(Row4());
  all_ones.udp_checksum = 0xffff;
  const Path priority = relay.PathOf(Tagged(Row4(), 0xe000));
  EXPECT_EQ(priority.link.vlan, 0) << "a priority is not a VLAN";
  for (const auto& to : {relay.PathOf(Row6()), relay.PathOf(Tagged(Row6(), 9))}) {
    relay.Bind(relay.PathOf(Row4()), to);
    for (const PacketRow& row :
         {options, behind, none, all_ones, Tagged(Data(Row4()), 0xe000), Tagged(options, 0xe000)}) {
      const std::vector<SentFrame> out = Exchange(row);
      ASSERT_EQ(out.size(), 1u);
      ExpectForwarded(out[0], row, to, relay.ports[0]);
    }
  }
  PacketRow other4 = Row4();
  other4.from = "198.18.0.2:1003";
  relay.Bind(relay.PathOf(Row4()), relay.PathOf(other4));
  const std::vector<SentFrame> out = Exchange(none);
  ASSERT_EQ(out.size(), 1u);
  ExpectForwarded(out[0], none, relay.PathOf(other4), relay.ports[0]);
}

TEST_F(WorkerForwardTest, ComputesWhereThePortSaysSo) {
  WorkerWorld& relay = Use({&Left()});
  relay.ports[0].udp_checksum = UdpChecksum::kCompute;
  relay.Start();
  for (const PacketRow& from : {Row4(), Row6()}) {
    for (const size_t bytes : {0, 31, 1201}) {
      PacketRow row = Data(from, bytes);
      row.udp_checksum_error = 77;
      row.padding = 3;
      const std::vector<SentFrame> out = Exchange(row);
      ASSERT_EQ(out.size(), 1u);
      ExpectForwarded(out[0], row, relay.PathOf(from.from == Row4().from ? Row6() : Row4()), relay.ports[0],
                      UdpChecksum::kCompute);
    }
  }
  PacketRow none = Data(Row4());
  none.udp_checksum = 0;
  PacketRow other4 = Row4();
  other4.from = "198.18.0.2:1003";
  relay.Bind(relay.PathOf(Row4()), relay.PathOf(other4));
  const std::vector<SentFrame> out = Exchange(none);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(test::Inspect(out[0].bytes).udp_checksum, 0) << "none is none";
}

TEST_F(WorkerForwardTest, HeaderChecksumThatTheNicHasVerifiedIsNotLookedAt) {
  UseStarted();
  PacketRow row = Data(Row4());
  row.ip_checksum = 1;
  for (const auto& [flag, sent] : {std::pair{RTE_MBUF_F_RX_IP_CKSUM_GOOD, 1u}, {RTE_MBUF_F_RX_IP_CKSUM_NONE, 0u}}) {
    rte_mbuf* const m = Left().Make(test::Build(row));
    m->ol_flags |= flag | RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_RSS_HASH;
    Left().Put(m);
    EXPECT_EQ(world_->Poll(), 1u);
    rte_mbuf* out = nullptr;
    if (rte_ring_dequeue(Left().out, reinterpret_cast<void**>(&out)) == 0) {
      EXPECT_EQ(out->ol_flags, 0u) << "flags of a receive mean something else to a transmit";
      rte_pktmbuf_free(out);
    }
    EXPECT_EQ(out != nullptr, sent == 1);
  }
  EXPECT_EQ(world_->Count().Of(DropReason::kBadIpChecksum), 1u);
}

TEST_F(WorkerForwardTest, BothClientsMayShareOneAddress) {
  WorkerWorld& relay = UseStarted();
  relay.Bind(relay.PathOf(Row4()), relay.PathOf(Row4()));
  const std::vector<SentFrame> out = Exchange(Data(Row4()));
  ASSERT_EQ(out.size(), 1u);
  ExpectForwarded(out[0], Data(Row4()), relay.PathOf(Row4()), relay.ports[0]);
}

TEST_F(WorkerForwardTest, BetweenPorts) {
  WorkerWorld& relay = Use({&Left(), &Right()});
  relay.ports[1].mtu = 1400;
  relay.Bind(relay.PathOf(Row4(), 0), relay.PathOf(Row6(), 1));
  relay.Start();
  Left().Put(test::Build(Data(Row4(), 100)));
  Right().Put(test::Build(Data(Row6(), 200)));
  EXPECT_EQ(relay.Poll(), 2u);
  const std::vector<SentFrame> left = Left().Take();
  const std::vector<SentFrame> right = Right().Take();
  ASSERT_EQ(left.size(), 1u);
  ASSERT_EQ(right.size(), 1u);
  ExpectForwarded(left[0], Data(Row6(), 200), relay.PathOf(Row4(), 0), relay.ports[0]);
  ExpectForwarded(right[0], Data(Row4(), 100), relay.PathOf(Row6(), 1), relay.ports[1]);
  for (const auto& counters : relay.workers[0]->ports) {
    EXPECT_EQ(counters->received.Get(), 1u);
    EXPECT_EQ(counters->sent.Get(), 1u);
    EXPECT_EQ(counters->bursts[0].Get(), 1u);
  }
  // The MTU that counts is that of the way out: 40 + 8 + 8 + 1345 is one too many.
  EXPECT_TRUE(Exchange(Data(Row4(), 1344)).empty());
  EXPECT_EQ(Right().Take().size(), 1u);
  EXPECT_EQ(Exchange(Data(Row4(), 1345)).size(), 1u) << "ICMP, out of the port that it came in by";
  EXPECT_TRUE(Right().Take().empty());
}

// Data, junk, fragments and handshakes of many sources in one burst: what goes to one destination leaves in the order
// in which it came.
TEST_F(WorkerForwardTest, ABurstOfMixedFatesKeepsOrder) {
  WorkerWorld& relay = UseStarted();
  disco::ClientHandshake handshake = relay.Handshake(0);
  std::vector<PacketRow> to_six;
  std::vector<PacketRow> to_four;
  for (size_t i = 0; i < 32; ++i) {
    PacketRow row = Data(i % 3 == 0 ? Row6() : Row4(), 20 + i);
    if (i == 7) row.payload = handshake.Start(std::chrono::steady_clock::now());
    if (i == 11) row.payload = {};
    if (i == 13) row.ip_checksum = 5;
    if (i == 17) row.protocol = 6;
    if (i == 19) row.payload = test::GeneveData(1, 1450);  // Too big behind an IPv6 header.
    if (i == 22) row.fragment = test::FragmentOf{.offset = 0, .size = 16};
    const bool odd = i == 7 || i == 11 || i == 13 || i == 17 || i == 19 || i == 22;
    if (!odd) (i % 3 == 0 ? to_four : to_six).push_back(row);
    Left().Put(test::Build(row));
  }
  EXPECT_EQ(relay.Poll(), 32u);
  size_t six = 0;
  size_t four = 0;
  size_t others = 0;
  for (const SentFrame& frame : Left().Take()) {
    const test::Seen seen = test::Inspect(frame.bytes);
    if (seen.protocol != 17 || seen.payload.size() > 100) {
      ++others;
    } else if (seen.ipv4) {
      ASSERT_LT(four, to_four.size());
      EXPECT_EQ(seen.payload, to_four[four++].payload);
    } else {
      ASSERT_LT(six, to_six.size());
      EXPECT_EQ(seen.payload, to_six[six++].payload);
    }
  }
  EXPECT_EQ(four, to_four.size());
  EXPECT_EQ(six, to_six.size());
  EXPECT_EQ(others, 2u) << "a challenge, and one ICMP";
  const test::Ledger ledger = relay.Count();
  EXPECT_EQ(ledger.forwarded, 26u);
  EXPECT_EQ(ledger.answered, 1u);
  EXPECT_EQ(ledger.dropped, 5u);
  EXPECT_EQ(relay.workers[0]->ports[0]->bursts[5].Get(), 1u);
}

}  // namespace
}  // namespace relay
