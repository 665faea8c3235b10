#include "relay/dataplane/reassembler.h"

#include <gtest/gtest.h>
#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "relay/dataplane/mbuf.h"
#include "tests/support/frame_checker.h"
#include "tests/support/packet_builder.h"
#include "tests/support/test_eal.h"

namespace relay {
namespace {

using test::Bytes;
using test::FragmentOf;
using test::PacketRow;
using test::Seen;

constexpr uint32_t kMaxDatagrams = 32;
constexpr uint32_t kBuffers = 511;

class ReassemblerTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    test::StartEal();
    pool_ = MakePool("reassembler_test", kBuffers, 2048, SOCKET_ID_ANY);
    ASSERT_NE(pool_, nullptr);
  }
  static void TearDownTestSuite() { rte_mempool_free(pool_); }

  void SetUp() override {
    auto made = Reassembler::Create(SOCKET_ID_ANY, kMaxDatagrams, std::chrono::seconds(1));
    ASSERT_TRUE(made.ok()) << made.status();
    reassembler_ = std::move(*made);
  }
  // Whatever a test did: every fragment had one end, and every buffer is back.
  void TearDown() override {
    reassembler_->Flush();
    dropped_ += reassembler_->TakeDropped();
    EXPECT_EQ(reassembler_->held(), 0u);
    EXPECT_EQ(added_, absorbed_ + dropped_);
    reassembler_.reset();
    EXPECT_EQ(rte_mempool_avail_count(pool_), kBuffers);
  }

  // `first_segment`: so many bytes stand in the first mbuf, and as many in each other one.
  rte_mbuf* Mbuf(const Bytes& frame, size_t segment = 2048) {
    rte_mbuf* head = nullptr;
    for (size_t at = 0; at < frame.size(); at += segment) {
      const size_t n = std::min(segment, frame.size() - at);
      rte_mbuf* const m = rte_pktmbuf_alloc(pool_);
      std::copy_n(frame.begin() + static_cast<std::ptrdiff_t>(at), n, rte_pktmbuf_mtod(m, uint8_t*));
      m->data_len = static_cast<uint16_t>(n);
      m->pkt_len = static_cast<uint32_t>(n);
      m->tx_offload = ~uint64_t{0};  // Whatever the buffer was used for before.
      if (head == nullptr) {
        head = m;
      } else {
        rte_pktmbuf_chain(head, m);
      }
    }
    return head;
  }

  Frame Parse(const Bytes& frame) {
    Frame in;
    FrameContext context;
    context.udp_port = test::kRelayPort;
    context.Use(ours_);
    ParseFrame(frame, frame.size(), context, in);
    return in;
  }

  // Adds one fragment; the datagram's bytes if it is whole now.
  Bytes Add(const Bytes& frame, size_t segment = 2048) {
    const Frame in = Parse(frame);
    EXPECT_EQ(in.fate, Frame::Fate::kFragment);
    const uint64_t waiting = reassembler_->held() + 1;
    ++added_;
    rte_mbuf* const whole = reassembler_->Add(Mbuf(frame, segment), in, now_);
    const uint64_t dropped = reassembler_->TakeDropped();
    dropped_ += dropped;
    if (whole == nullptr) {
      EXPECT_EQ(reassembler_->held() + dropped, waiting);
      return {};
    }
    absorbed_ += waiting - reassembler_->held() - dropped;
    Bytes bytes;
    uint32_t segments = 0;
    for (const rte_mbuf* m = whole; m != nullptr; m = m->next, ++segments) {
      EXPECT_EQ(m->tx_offload, 0u);
      const auto* const data = rte_pktmbuf_mtod(m, const uint8_t*);
      bytes.insert(bytes.end(), data, data + m->data_len);
    }
    EXPECT_EQ(bytes.size(), whole->pkt_len);
    EXPECT_EQ(segments, whole->nb_segs);
    rte_pktmbuf_free(whole);
    return bytes;
  }
  Bytes Add(const PacketRow& row) { return Add(test::Build(row)); }

  uint64_t Second() const { return rte_get_tsc_hz(); }

  inline static rte_mempool* pool_ = nullptr;
  const AddressSet ours_{std::vector<IpBytes>{test::AddrOf(test::kRelay4).ip, test::AddrOf(test::kRelay6).ip}};
  std::unique_ptr<Reassembler> reassembler_;
  uint64_t now_ = 1'000'000;
  uint64_t added_ = 0;
  uint64_t absorbed_ = 0;
  uint64_t dropped_ = 0;
};

PacketRow Datagram(bool ipv4, size_t payload = 256) {
  PacketRow row;
  if (!ipv4) {
    row.from = test::kClient6;
    row.to = test::kRelay6;
  }
  row.payload = test::GeneveData(5, payload - 8);
  return row;
}
PacketRow Piece(PacketRow row, uint16_t offset, uint16_t size, bool more, uint32_t id = 1) {
  row.fragment = FragmentOf{.offset = offset, .size = size, .more = more, .id = id};
  return row;
}
// Cut at the given offsets into the IP payload.
std::vector<PacketRow> Pieces(const PacketRow& row, const std::vector<uint16_t>& cuts, uint32_t id = 1) {
  std::vector<PacketRow> out;
  const auto end = static_cast<uint16_t>(8 + row.payload.size());
  uint16_t begin = 0;
  for (size_t i = 0; i <= cuts.size(); ++i) {
    const uint16_t next = i < cuts.size() ? cuts[i] : end;
    out.push_back(Piece(row, begin, static_cast<uint16_t>(next - begin), i < cuts.size(), id));
    begin = next;
  }
  return out;
}

TEST_F(ReassemblerTest, AnyOrder) {
  for (const bool ipv4 : {true, false}) {
    for (const std::optional<uint16_t> vlan : {std::optional<uint16_t>{}, std::optional<uint16_t>{5}}) {
      for (const size_t options : {0, 40}) {
        for (const size_t padding : {0, 9}) {
          PacketRow row = Datagram(ipv4);
          row.vlan = vlan;
          if (ipv4) row.options = Bytes(options, 1);
          row.padding = padding;
          row.traffic_class = 2;
          const std::vector<PacketRow> pieces = Pieces(row, {8, 64, 200});
          std::vector<size_t> order = {0, 1, 2, 3};
          do {
            SCOPED_TRACE(testing::PrintToString(order) + (ipv4 ? " v4" : " v6"));
            for (size_t i = 0; i < 3; ++i) ASSERT_TRUE(Add(pieces[order[i]]).empty());
            EXPECT_EQ(reassembler_->held(), 3u);
            const Bytes whole = Add(pieces[order[3]]);
            ASSERT_FALSE(whole.empty());
            EXPECT_EQ(reassembler_->held(), 0u);
            const Seen seen = test::Inspect(whole);  // Lengths and IPv4 header checksum included.
            ASSERT_EQ(seen.error, "");
            EXPECT_EQ(seen.payload, row.payload);
            EXPECT_EQ(seen.udp_error, 0);
            EXPECT_EQ(seen.vlan, vlan);
            EXPECT_EQ(seen.from_mac, test::kClientMac);
            EXPECT_EQ(seen.to_mac, test::kRelayMac);
            EXPECT_EQ(seen.padding, 0u);
            const Frame in = Parse(whole);
            EXPECT_EQ(in.fate, Frame::Fate::kRelay);
            EXPECT_EQ(in.udp_bytes, 8 + row.payload.size());
            EXPECT_EQ(in.ecn, 2);
          } while (std::ranges::next_permutation(order).found);
        }
      }
    }
  }
  EXPECT_EQ(dropped_, 0u);
}

TEST_F(ReassemblerTest, FragmentsOfSeveralSegments) {
  for (const bool ipv4 : {true, false}) {
    for (const size_t segment : {70u, 90u, 128u}) {
      PacketRow row = Datagram(ipv4, 900);
      row.padding = 2 * segment + 7;  // Ends in segments of its own.
      const std::vector<PacketRow> pieces = Pieces(row, {400});
      ASSERT_TRUE(Add(test::Build(pieces[1]), segment).empty());
      const Seen seen = test::Inspect(Add(test::Build(pieces[0]), segment));
      ASSERT_EQ(seen.error, "");
      EXPECT_EQ(seen.payload, row.payload);
      EXPECT_EQ(seen.udp_error, 0);
    }
    // Headers that are not in one piece.
    EXPECT_TRUE(Add(test::Build(Piece(Datagram(ipv4), 0, 64, true)), 40 - 8).empty());
  }
  EXPECT_EQ(dropped_, 2u);
}

TEST_F(ReassemblerTest, DatagramsInBetweenEachOther) {
  std::vector<PacketRow> pieces;
  for (uint32_t id = 1; id <= 10; ++id) {
    for (const bool ipv4 : {true, false}) {
      PacketRow row = Datagram(ipv4, 100 + id);
      row.payload.back() = static_cast<uint8_t>(id);
      for (const PacketRow& piece : Pieces(row, {16, 48}, id)) pieces.push_back(piece);
    }
  }
  std::ranges::shuffle(pieces, std::mt19937(1));
  size_t whole = 0;
  for (const PacketRow& piece : pieces) {
    const Bytes bytes = Add(piece);
    if (bytes.empty()) continue;
    ++whole;
    const Seen seen = test::Inspect(bytes);
    ASSERT_EQ(seen.error, "");
    EXPECT_EQ(seen.payload, piece.payload);
  }
  EXPECT_EQ(whole, 20u);
  EXPECT_EQ(absorbed_, 60u);
}

TEST_F(ReassemblerTest, AtomicFragmentIsWholeAtOnce) {
  PacketRow row = Datagram(false);
  row.vlan = 5;
  row.padding = 4;
  const Bytes whole = Add(Piece(row, 0, 1000, false));
  const Seen seen = test::Inspect(whole);
  ASSERT_EQ(seen.error, "");
  EXPECT_EQ(seen.payload, row.payload);
  EXPECT_EQ(Parse(whole).fate, Frame::Fate::kRelay);
  EXPECT_EQ(absorbed_, 1u);
}

TEST_F(ReassemblerTest, WhatNoSenderSends) {
  for (const bool ipv4 : {true, false}) {
    const PacketRow row = Datagram(ipv4);
    EXPECT_TRUE(Add(Piece(row, 0, 63, true)).empty());    // Not a multiple of eight.
    EXPECT_TRUE(Add(Piece(row, 0, 0, true)).empty());     // Nothing in it.
    EXPECT_TRUE(Add(Piece(row, 264, 8, false)).empty());  // Nothing in it, at the end.
    PacketRow far = Datagram(ipv4, 1000);
    Bytes frame = test::Build(Piece(far, 0, 1000, false));
    const size_t offset_at = 14 + (ipv4 ? 6 : 42);  // Its end is beyond 65,535.
    frame[offset_at] = ipv4 ? 0x1f : 0xff;
    frame[offset_at + 1] = ipv4 ? 0xff : 0xf8;
    if (ipv4) {
      const uint16_t checksum = [&] {
        frame[24] = frame[25] = 0;
        return static_cast<uint16_t>(~test::InternetSum(std::span(frame).subspan(14, 20)));
      }();
      frame[24] = static_cast<uint8_t>(checksum >> 8);
      frame[25] = static_cast<uint8_t>(checksum);
    }
    EXPECT_TRUE(Add(frame).empty());
  }
  EXPECT_EQ(dropped_, 8u);
  EXPECT_EQ(reassembler_->held(), 0u);
}

// The first fragment's options make the whole longer than the field: found when it is whole.
TEST_F(ReassemblerTest, LongerThanItsLengthField) {
  PacketRow row = Datagram(true, 65'480);
  row.options = Bytes(40, 1);
  const std::vector<uint16_t> cuts = {1000, 12'000, 24'000, 36'000, 48'000, 60'000};
  std::vector<PacketRow> pieces = Pieces(row, cuts);
  for (size_t i = 1; i < pieces.size(); ++i) pieces[i].options.clear();
  for (const PacketRow& piece : pieces) EXPECT_TRUE(Add(piece).empty());
  EXPECT_EQ(dropped_, pieces.size());
  // As long as can be, without them.
  row.options.clear();
  row.payload.resize(65'507);
  pieces = Pieces(row, cuts, 2);
  for (size_t i = 0; i + 1 < pieces.size(); ++i) EXPECT_TRUE(Add(pieces[i]).empty());
  EXPECT_EQ(test::Inspect(Add(pieces.back())).payload, row.payload);
}

struct OverlapRow {
  const char* name;
  std::vector<FragmentOf> pieces;  // Of a payload of 264 bytes.
};

TEST_F(ReassemblerTest, OverlapsAreNeverMadeWhole) {
  const OverlapRow rows[] = {
      {"first twice", {{0, 64, true}, {0, 64, true}, {64, 200, false}}},
      {"last twice", {{64, 200, false}, {64, 200, false}, {0, 64, true}}},
      {"middle twice", {{0, 64, true}, {64, 64, true}, {64, 64, true}, {128, 136, false}}},
      {"middle twice and a hole as large", {{0, 64, true}, {64, 64, true}, {64, 64, true}, {192, 72, false}}},
      {"chained from the end, then a hole",
       {{0, 64, true}, {64, 32, true}, {64, 32, true}, {128, 64, true}, {192, 72, false}}},
      {"last over the first", {{0, 136, true}, {64, 200, false}}},
      {"first over the middle, sum right", {{0, 128, true}, {64, 64, true}, {192, 72, false}}},
      {"end moved back", {{0, 64, true}, {200, 64, false}, {64, 200, false}}},
      {"more behind the end", {{0, 64, true}, {64, 64, false}, {128, 64, true}, {192, 72, false}}},
      {"a piece within another", {{0, 128, true}, {32, 8, true}, {128, 136, false}}},
  };
  uint32_t id = 1;
  for (const bool ipv4 : {true, false}) {
    for (const OverlapRow& row : rows) {
      SCOPED_TRACE(row.name);
      std::vector<FragmentOf> pieces = row.pieces;
      const auto before = [](const FragmentOf& a, const FragmentOf& b) { return a.offset < b.offset; };
      std::ranges::sort(pieces, before);
      do {
        ++id;
        for (FragmentOf piece : pieces) {
          PacketRow packet = Datagram(ipv4);
          piece.id = id;
          packet.fragment = piece;
          const Bytes whole = Add(packet);
          // A copy may come when the datagram is whole already; one whose end lies early is cut, as UDP's length tells.
          if (whole.empty()) continue;
          const Seen seen = test::Inspect(whole);
          EXPECT_TRUE(seen.error == "UDP length" || seen.payload == packet.payload) << seen.error;
        }
        reassembler_->Flush();
        dropped_ += reassembler_->TakeDropped();
      } while (std::ranges::next_permutation(pieces, before).found);
    }
  }
}

TEST_F(ReassemblerTest, MoreFragmentsThanItTakes) {
  std::vector<uint16_t> cuts(20);
  for (size_t i = 0; i < cuts.size(); ++i) cuts[i] = static_cast<uint16_t>(8 * (i + 1));
  for (const PacketRow& piece : Pieces(Datagram(true), cuts)) EXPECT_TRUE(Add(piece).empty());
  EXPECT_GT(dropped_, 0u);
}

TEST_F(ReassemblerTest, FullOfIncompleteOnes) {
  for (uint32_t id = 1; id <= 2 * kMaxDatagrams; ++id) EXPECT_TRUE(Add(Piece(Datagram(true), 0, 64, true, id)).empty());
  EXPECT_LE(reassembler_->held(), kMaxDatagrams);
  EXPECT_GE(reassembler_->held(), kMaxDatagrams / 2);
  EXPECT_EQ(dropped_, 2 * kMaxDatagrams - reassembler_->held());
  // What is there can still become whole, and makes room.
  EXPECT_FALSE(Add(Piece(Datagram(true), 64, 500, false, 1)).empty());
  // So does time.
  now_ += 2 * Second();
  EXPECT_TRUE(Add(Piece(Datagram(true), 0, 64, true, 1000)).empty());
  EXPECT_FALSE(Add(Piece(Datagram(true), 64, 500, false, 1000)).empty());
}

TEST_F(ReassemblerTest, Expires) {
  for (uint32_t id = 1; id <= 20; ++id) {
    for (uint16_t i = 0; i < 6; ++i) {  // More than a death row takes.
      EXPECT_TRUE(Add(Piece(Datagram(true), static_cast<uint16_t>(8 * i), 8, true, id)).empty());
    }
  }
  const uint64_t held = reassembler_->held();
  EXPECT_GT(held, 100u);
  reassembler_->Expire(now_ + Second() / 2);
  EXPECT_EQ(reassembler_->held(), held);
  EXPECT_EQ(reassembler_->TakeDropped(), 0u);
  now_ += Second() + Second() / 2;
  EXPECT_TRUE(Add(Piece(Datagram(false), 0, 64, true)).empty());
  reassembler_->Expire(now_);
  EXPECT_EQ(reassembler_->held(), 1u);
  const uint64_t dropped = reassembler_->TakeDropped();
  dropped_ += dropped;
  EXPECT_EQ(dropped_, 120u);
  EXPECT_EQ(reassembler_->TakeDropped(), 0u);  // Reported once.
}

TEST_F(ReassemblerTest, LateFragmentBeginsAnew) {
  EXPECT_TRUE(Add(Piece(Datagram(true), 0, 64, true)).empty());
  now_ += 2 * Second();
  EXPECT_TRUE(Add(Piece(Datagram(true), 64, 500, false)).empty());
  EXPECT_EQ(dropped_, 1u);
  EXPECT_FALSE(Add(Piece(Datagram(true), 0, 64, true)).empty());
}

// Whatever comes, every fragment has one end (see TearDown), and what becomes whole has consistent lengths.
TEST_F(ReassemblerTest, RandomFragments) {
  std::mt19937 random(4);
  size_t whole = 0;
  for (int i = 0; i < 50'000; ++i) {
    PacketRow row = Datagram(random() % 2 == 0, 56);  // 64 bytes: offsets meet often.
    const auto offset = static_cast<uint16_t>(random() % 8 * 8);
    const bool more = offset == 0 || random() % 3 != 0;
    const auto size = static_cast<uint16_t>(more ? (1 + random() % 3) * 8 : 64);
    row.padding = random() % 4 == 0 ? 5 : 0;
    const Bytes bytes = Add(test::Build(Piece(row, offset, size, more, random() % 8)), random() % 2 == 0 ? 2048 : 72);
    if (!bytes.empty()) {
      ++whole;
      const Seen seen = test::Inspect(bytes);
      EXPECT_TRUE(seen.error.empty() || seen.error == "UDP length") << seen.error;
    }
    if (random() % 16 == 0) now_ += Second() / 8;
    if (random() % 64 == 0) {
      reassembler_->Expire(now_);
      dropped_ += reassembler_->TakeDropped();
    }
  }
  EXPECT_GT(whole, 100u);
  EXPECT_GT(dropped_, 1000u);
}

}  // namespace
}  // namespace relay
