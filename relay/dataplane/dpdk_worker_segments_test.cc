// Frames in several mbufs, wherever they are cut; and datagrams in several frames.
#include <rte_cycles.h>

#include <algorithm>
#include <thread>

#include "relay/dataplane/dpdk_worker_fixture.h"
#include "relay/dataplane/segments.h"

namespace relay {
namespace {

using test::Build;
using test::PacketRow;
using test::SentFrame;
using test::WorkerWorld;

class WorkerSegmentsTest : public WorkerTest {
 protected:
  static PacketRow Piece(PacketRow row, uint16_t offset, uint16_t size, bool more, uint32_t id = 1) {
    row.fragment = test::FragmentOf{.offset = offset, .size = size, .more = more, .id = id};
    return row;
  }
  const Counters& counters() const { return world_->workers[0]->counters; }
};

TEST_F(WorkerSegmentsTest, CutAnywhere) {
  WorkerWorld& relay = UseStarted();
  for (const PacketRow& from : {Row4(), Row6()}) {
    PacketRow row = Data(from, 60);
    row.udp_checksum_error = 3;
    row.padding = 9;  // Across segments too.
    if (from.from == Row4().from) row.options = Bytes(8, 1);
    const size_t size = Build(row).size();
    const Path to = relay.PathOf(from.from == Row4().from ? Row6() : Row4());
    for (size_t cut = 0; cut <= size; ++cut) {
      SCOPED_TRACE(cut);
      for (const std::vector<size_t>& segments : {std::vector<size_t>{cut}, {cut, 1, 0, 7, 20}, {cut / 2, cut / 2}}) {
        const std::vector<SentFrame> out = Exchange(Build(row), segments);
        ASSERT_EQ(out.size(), 1u);
        ExpectForwarded(out[0], row, to, relay.ports[0]);
      }
    }
  }
}

// Carries must not get lost behind a segment of odd length.
TEST_F(WorkerSegmentsTest, FullChecksumsAcrossOddCuts) {
  WorkerWorld& relay = Use({&Left()});
  relay.ports[0].udp_checksum = UdpChecksum::kCompute;
  relay.Start();
  PacketRow row = Row4();
  row.payload = test::GeneveData(1, 1301);
  std::fill(row.payload.begin() + 8, row.payload.end(), 0xfe);
  row.udp_checksum_error = 1;
  for (const size_t cut : {95, 96, 97, 98, 500, 501}) {
    for (const size_t second : {1, 2, 333}) {
      const std::array<size_t, 2> segments = {cut, second};
      const std::vector<SentFrame> out = Exchange(Build(row), segments);
      ASSERT_EQ(out.size(), 1u);
      EXPECT_GT(out[0].segments, 1u);
      ExpectForwarded(out[0], row, relay.PathOf(Row6()), relay.ports[0], UdpChecksum::kCompute);
    }
  }
}

TEST_F(WorkerSegmentsTest, InOnePieceWhereThePortSendsNoChains) {
  WorkerWorld& relay = Use({&Left()});
  relay.ports[0].tx_multi_segment = false;
  relay.Start();
  const PacketRow row = Data(Row4(), 1300);
  for (const size_t cut : {20, 100, 700}) {
    const std::array<size_t, 2> segments = {cut, 333};
    const std::vector<SentFrame> out = Exchange(Build(row), segments);
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(out[0].segments, 1u);
    ExpectForwarded(out[0], row, relay.PathOf(Row6()), relay.ports[0]);
  }
  // The first mbuf has no room for the rest.
  rte_mbuf* const head = Left().Make(std::span<const uint8_t>());
  const Bytes frame = Build(row);
  head->data_off = static_cast<uint16_t>(head->buf_len - 400);
  std::copy_n(frame.begin(), 400, reinterpret_cast<uint8_t*>(rte_pktmbuf_append(head, 400)));
  ASSERT_EQ(rte_pktmbuf_chain(head, Left().Make(std::span(frame).subspan(400))), 0);
  Left().Put(head);
  EXPECT_EQ(relay.Poll(), 1u);
  EXPECT_TRUE(Left().Take().empty());
  EXPECT_EQ(relay.Count().Of(DropReason::kNoMbuf), 1u);
}

TEST_F(WorkerSegmentsTest, NoRoomToBringTheHeadersTogether) {
  UseStarted();
  const Bytes frame = Build(Data(Row4()));
  rte_mbuf* const head = Left().Make(std::span<const uint8_t>());
  head->data_off = static_cast<uint16_t>(head->buf_len - 30);
  std::copy_n(frame.begin(), 30, reinterpret_cast<uint8_t*>(rte_pktmbuf_append(head, 30)));
  ASSERT_EQ(rte_pktmbuf_chain(head, Left().Make(std::span(frame).subspan(30))), 0);
  Left().Put(head);
  EXPECT_EQ(world_->Poll(), 1u);
  EXPECT_EQ(world_->Count().Of(DropReason::kNoMbuf), 1u);
}

TEST_F(WorkerSegmentsTest, HandshakesAndAnswers) {
  WorkerWorld& relay = UseStarted();
  for (const size_t cut : {10, 50, 94, 95, 150, 190}) {
    disco::ClientHandshake handshake = relay.Handshake(0);
    PacketRow row = Row4();
    row.payload = handshake.Start(std::chrono::steady_clock::now());
    const std::array<size_t, 2> segments = {cut, 11};
    const std::vector<SentFrame> out = Exchange(Build(row), segments);
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(out[0].segments, 1u);
    const test::Seen seen = test::Inspect(out[0].bytes);
    EXPECT_EQ(seen.error, "");
    EXPECT_EQ(seen.udp_error, 0);
    EXPECT_TRUE(handshake.HandlePacket(seen.payload).has_value());
  }
}

TEST_F(WorkerSegmentsTest, Shorten) {
  UseStarted();
  const Bytes bytes = test::GeneveData(1, 92);
  for (uint32_t to = 0; to <= 100; to += 10) {
    for (const std::vector<size_t>& segments : {std::vector<size_t>{}, {0, 50}, {30, 0, 0, 30}, {100, 0}}) {
      rte_mbuf* const m = Left().Make(bytes, segments);
      Shorten(m, to);
      EXPECT_EQ(m->pkt_len, to);
      EXPECT_EQ(rte_mbuf_check(m, 1, nullptr), 0);
      Bytes left(to);
      if (to != 0) {
        const void* const at = rte_pktmbuf_read(m, 0, to, left.data());
        EXPECT_TRUE(std::equal(bytes.begin(), bytes.begin() + to, static_cast<const uint8_t*>(at)));
      }
      EXPECT_EQ(SumOf(m, 0, to), __builtin_bswap16(test::InternetSum(std::span(bytes).first(to))));
      rte_pktmbuf_free(m);
    }
  }
}

class WorkerReassemblyTest : public WorkerSegmentsTest {
 protected:
  WorkerWorld& UseReassembly(Duration timeout = std::chrono::seconds(60)) {
    Use({&Left()});
    world_->reassemble = timeout;
    world_->Start();
    return *world_;
  }
};

TEST_F(WorkerReassemblyTest, GoesOnAsAFrameOfItsOwn) {
  WorkerWorld& relay = UseReassembly();
  for (const PacketRow& from : {Row4(), Row6()}) {
    const PacketRow row = Data(from, 1000);
    const Path to = relay.PathOf(from.from == Row4().from ? Row6() : Row4());
    const uint64_t before = relay.Count().received;
    // UDP and Geneve header are in different fragments; the last one first.
    EXPECT_TRUE(Exchange(Piece(row, 16, 2000, false)).empty());
    EXPECT_TRUE(Exchange(Piece(row, 8, 8, true)).empty());
    EXPECT_EQ(relay.Count().received, before) << "what is held is not received yet";
    const std::vector<SentFrame> out = Exchange(Piece(row, 0, 8, true));
    ASSERT_EQ(out.size(), 1u);
    ExpectForwarded(out[0], row, to, relay.ports[0]);
    EXPECT_EQ(relay.Count().received, before + 1);
  }
  EXPECT_EQ(counters().fragments.Get(), 6u);
  EXPECT_EQ(counters().reassembled.Get(), 2u);
  EXPECT_EQ(relay.workers[0]->ports[0]->received.Get(), 6u);
}

TEST_F(WorkerReassemblyTest, StandsWhereItsLastFragmentStood) {
  WorkerWorld& relay = UseReassembly();
  const PacketRow whole = Data(Row4(), 500);
  Left().Put(Build(Data(Row4(), 1)));
  Left().Put(Build(Piece(whole, 0, 256, true)));
  Left().Put(Build(Data(Row4(), 2)));
  Left().Put(Build(Piece(whole, 256, 1000, false)));
  Left().Put(Build(Data(Row4(), 3)));
  EXPECT_EQ(relay.Poll(), 5u);
  const std::vector<SentFrame> out = Left().Take();
  ASSERT_EQ(out.size(), 4u);
  const std::array<size_t, 4> sizes = {9, 10, 508, 11};
  for (size_t i = 0; i < out.size(); ++i) EXPECT_EQ(test::Inspect(out[i].bytes).payload.size(), sizes[i]);
  EXPECT_EQ(relay.Count().received, 4u);
}

TEST_F(WorkerReassemblyTest, HandshakesInFragments) {
  WorkerWorld& relay = UseReassembly();
  disco::ClientHandshake handshake = relay.Handshake(1);
  PacketRow row = Row6();
  row.payload = handshake.Start(std::chrono::steady_clock::now());
  EXPECT_TRUE(Exchange(Piece(row, 0, 96, true)).empty());
  const std::vector<SentFrame> out = Exchange(Piece(row, 96, 1000, false));
  ASSERT_EQ(out.size(), 1u);
  EXPECT_TRUE(handshake.HandlePacket(test::Inspect(out[0].bytes).payload).has_value());
  EXPECT_EQ(relay.Count().answered, 1u);
}

TEST_F(WorkerReassemblyTest, ForOthersAndTooBig) {
  WorkerWorld& relay = UseReassembly();
  PacketRow other = Data(Row4(), 500);
  other.to = "198.18.0.254:53";
  Exchange(Piece(other, 0, 256, true));
  EXPECT_TRUE(Exchange(Piece(other, 256, 1000, false)).empty());
  EXPECT_EQ(relay.Count().Of(DropReason::kNotLocal), 1u);
  const PacketRow large = Data(Row4(), 3000);
  Exchange(Piece(large, 0, 1480, true, 2));
  Exchange(Piece(large, 1480, 1480, true, 2));
  EXPECT_EQ(Exchange(Piece(large, 2960, 2000, false, 2)).size(), 1u) << "ICMP";
  EXPECT_EQ(relay.Count().Of(DropReason::kTooBig), 1u);
  EXPECT_EQ(relay.Count().received, 2u);
}

TEST_F(WorkerReassemblyTest, WhatNeverBecomesWholeIsDroppedInTime) {
  WorkerWorld& relay = UseReassembly(std::chrono::milliseconds(20));
  const PacketRow row = Data(Row4(), 1000);
  Exchange(Piece(row, 0, 256, true));
  Exchange(Piece(row, 256, 256, true));
  Exchange(Piece(row, 9, 7, true, 2));  // Such a fragment cannot be.
  EXPECT_EQ(relay.Count().Of(DropReason::kFragment), 1u);
  EXPECT_EQ(relay.Count().received, 1u);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (relay.Count().Of(DropReason::kFragment) < 3 && std::chrono::steady_clock::now() < deadline) relay.Poll();
  EXPECT_EQ(relay.Count().Of(DropReason::kFragment), 3u) << "idle polls expire them";
  EXPECT_EQ(Left().InUse(), 0u);
}

TEST_F(WorkerReassemblyTest, StoppingGivesUpWhatIsHeld) {
  Use({&Left()});
  world_->reassemble = std::chrono::seconds(60);
  world_->Start(/*poll_here=*/false);
  Left().Put(Build(Piece(Data(Row4(), 1000), 0, 256, true)));
  DpdkWorker& worker = *world_->workers[0]->loop;
  std::thread thread([&] { worker.Run(); });
  while (counters().fragments.Get() == 0) std::this_thread::yield();
  EXPECT_EQ(counters().received.Get(), 0u);
  worker.Stop();
  thread.join();
  EXPECT_EQ(world_->Count().Of(DropReason::kFragment), 1u);
}

}  // namespace
}  // namespace relay
