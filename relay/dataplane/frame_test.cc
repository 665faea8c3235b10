// Frames in: their fate, and the path that they came by.
#include "relay/dataplane/frame.h"

#include <gtest/gtest.h>

#include <memory>
#include <ostream>
#include <random>

#include "tests/support/packet_builder.h"

namespace relay {

void PrintTo(Frame::Fate fate, std::ostream* os) {
  constexpr std::array kNames = {"relay", "kernel", "fragment", "drop"};
  *os << kNames[static_cast<size_t>(fate)];
}

namespace {

using test::Bytes;
using test::PacketRow;
using Fate = Frame::Fate;

constexpr uint16_t kLinkPort = 3;
constexpr uint32_t kInterface = 9;

class FrameTest : public testing::Test {
 protected:
  FrameTest()
      : ours_(std::vector<IpBytes>{test::AddrOf(test::kRelay4).ip, test::AddrOf(test::kRelay6).ip,
                                   test::AddrOf("[fe80::fe]:1").ip}) {
    context_.udp_port = test::kRelayPort;
    context_.link_port = kLinkPort;
    context_.interface = kInterface;
    context_.Use(ours_);
  }

  // From an exactly sized block of what ParseFrame may look at, so that ASan sees a read beyond it.
  Frame Parse(const Bytes& frame) {
    const size_t size = std::min(frame.size(), kMaxHeaderBytes);
    const std::unique_ptr<uint8_t[]> head(new uint8_t[size]);
    std::copy_n(frame.begin(), size, head.get());
    Frame out;
    std::memset(static_cast<void*>(&out), 0xa5, sizeof(out));  // What was there before does not shine through.
    FrameContext context = context_;                           // Which remembers nothing of other frames.
    ParseFrame({head.get(), size}, frame.size(), context, out);
    ExpectTheSameOfTheUsualWay({head.get(), size}, frame.size(), out);
    return out;
  }

  // A context that has seen our IPv4 address parses usual frames straight through (usual_frame.h): to the same end.
  void ExpectTheSameOfTheUsualWay(std::span<const uint8_t> head, size_t frame_bytes, const Frame& expected) {
    FrameContext context = context_;
    ASSERT_TRUE(context.IsOurs(test::AddrOf(test::kRelay4).ip));
    Frame out;
    std::memset(static_cast<void*>(&out), 0x5a, sizeof(out));
    ParseFrame(head, frame_bytes, context, out);
    ASSERT_EQ(out.fate, expected.fate);
    if (out.fate == Frame::Fate::kDrop) {
      ASSERT_EQ(out.reason, expected.reason);
    }
    if (out.fate != Frame::Fate::kRelay) return;
    ASSERT_EQ(out.from, expected.from);
    ASSERT_EQ(out.ipv4, expected.ipv4);
    ASSERT_EQ(out.ecn, expected.ecn);
    ASSERT_EQ(out.ip_offset, expected.ip_offset);
    ASSERT_EQ(out.udp_offset, expected.udp_offset);
    ASSERT_EQ(out.udp_bytes, expected.udp_bytes);
    ASSERT_EQ(out.address_sum, expected.address_sum);
    ASSERT_EQ(out.udp_checksum, expected.udp_checksum);
  }

  AddressSet ours_;
  FrameContext context_;
};

Path PathOf(const PacketRow& row) {
  Path path;
  path.remote = test::AddrOf(row.from);
  if (path.remote.IsLinkLocal() && !path.remote.IsIpv4()) path.remote.scope = kInterface;
  path.local_ip = test::AddrOf(row.to).ip;
  path.local_port = test::kRelayPort;
  path.link = {.port = kLinkPort, .vlan = static_cast<uint16_t>(row.vlan.value_or(0) & 0xfff), .mac = row.from_mac};
  path.interface = path.remote.IsIpv4() ? 0 : kInterface;
  return path;
}

struct OursRow {
  const char* name;
  PacketRow packet;
};

TEST_F(FrameTest, Ours) {
  const PacketRow v4;
  const PacketRow v6{.from = test::kClient6, .to = test::kRelay6};
  const OursRow rows[] = {
      {"v4", v4},
      {"v6", v6},
      {"v4 VLAN", {.vlan = 5}},
      {"v4 VLAN with priority", {.vlan = 0xe005}},
      {"v4 priority tag", {.vlan = 0x6000}},
      {"v6 VLAN 4094", {.vlan = 4094, .from = test::kClient6, .to = test::kRelay6}},
      {"v6 link-local", {.from = "[fe80::2]:5", .to = "[fe80::fe]:7777"}},
      {"v4 link-local", {.from = "169.254.0.7:5"}},
      {"v4 one option", {.options = {1, 1, 1, 0}}},
      {"v4 all options", {.options = Bytes(40, 1)}},
      {"v4 all options, VLAN", {.vlan = 1, .options = Bytes(40, 1)}},
      {"v4 empty payload", {.payload = {}}},
      {"v4 empty payload, padding", {.payload = {}, .padding = 18}},
      {"v4 data behind UDP", {.behind_udp = Bytes(5)}},
      {"v6 data behind UDP", {.from = test::kClient6, .to = test::kRelay6, .behind_udp = Bytes(5)}},
      {"v4 wrong UDP checksum", {.udp_checksum_error = 7}},
      {"v4 no UDP checksum", {.udp_checksum = 0}},
      {"v6 wrong UDP checksum", {.from = test::kClient6, .to = test::kRelay6, .udp_checksum_error = 7}},
      {"v4 may be fragmented", {.flags = 0}},
      {"v4 reserved bit", {.flags = 0x8000}},
      {"v4 TTL 0", {.ttl = 0}},
      {"v4 jumbo", {.payload = Bytes(8900)}},
      {"v6 all of 65,535", {.from = test::kClient6, .to = test::kRelay6, .payload = Bytes(65527)}},
  };
  for (const OursRow& row : rows) {
    SCOPED_TRACE(row.name);
    const PacketRow& packet = row.packet;
    for (uint8_t ecn = 0; ecn < 4; ++ecn) {
      PacketRow marked = packet;
      marked.traffic_class = static_cast<uint8_t>(0xb8 | ecn);
      const Bytes frame = test::Build(marked);
      const Frame in = Parse(frame);
      ASSERT_EQ(in.fate, Fate::kRelay);
      EXPECT_EQ(in.from, PathOf(packet)) << in.from.remote.ToString();
      EXPECT_EQ(in.ipv4, in.from.IsIpv4());
      EXPECT_EQ(in.ecn, ecn);
      EXPECT_EQ(in.ip_offset, packet.vlan ? 18 : 14);
      EXPECT_EQ(in.udp_offset, in.ip_offset + (in.ipv4 ? 20 + packet.options.size() : 40));
      EXPECT_EQ(in.udp_bytes, 8 + packet.payload.size());
      EXPECT_EQ(std::memcmp(&in.udp_checksum, &frame[in.udp_offset + 6u], 2), 0);
    }
  }
}

struct FateRow {
  const char* name;
  PacketRow packet;
  Fate fate;
  DropReason reason = {};
};

const FateRow kEthernetRows[] = {
    {"to broadcast", {.to_mac = test::kBroadcastMac}, Fate::kKernel},
    {"to multicast", {.to_mac = {1, 0, 0x5e, 0, 0, 1}}, Fate::kKernel},
    {"from a group address", {.from_mac = test::kBroadcastMac}, Fate::kKernel},
    {"two tags", {.outer_vlan = 7, .vlan = 5}, Fate::kKernel},
    {"802.1ad alone", {.outer_vlan = 7}, Fate::kKernel},
    {"802.1Q twice", {.vlan = 5, .ether_type = 0x8100}, Fate::kKernel},
    {"ARP", {.ether_type = 0x0806}, Fate::kKernel},
    {"802.3 length", {.ether_type = 46}, Fate::kKernel},
    {"empty", {.cut_to = 0}, Fate::kKernel},
    {"cut in Ethernet", {.cut_to = 13}, Fate::kKernel},
    {"cut in the tag", {.vlan = 5, .cut_to = 17}, Fate::kKernel},
    {"cut behind the tag", {.vlan = 5, .cut_to = 18}, Fate::kDrop, DropReason::kBadIpHeader},
};

const FateRow kIpv4Rows[] = {
    {"v4 other address", {.to = "198.18.0.253:7777"}, Fate::kKernel},
    {"v4 unspecified", {.to = "0.0.0.0:7777"}, Fate::kKernel},
    {"v4 broadcast", {.to = "255.255.255.255:7777"}, Fate::kKernel},
    {"v4 multicast", {.to = "224.0.0.1:7777"}, Fate::kKernel},
    {"v4 other port", {.to = "198.18.0.254:7778"}, Fate::kKernel},
    {"v4 TCP", {.protocol = 6}, Fate::kKernel},
    {"v4 ICMP", {.protocol = 1}, Fate::kKernel},
    {"v4 other port, wrong header checksum", {.to = "198.18.0.254:7778", .ip_checksum = 1}, Fate::kKernel},
    {"v4 type, version 6", {.version = 6}, Fate::kDrop, DropReason::kBadIpHeader},
    {"v4 version 0", {.version = 0}, Fate::kDrop, DropReason::kBadIpHeader},
    {"v4 header of 16", {.header_words = 4}, Fate::kDrop, DropReason::kBadIpHeader},
    {"v4 header of 0", {.header_words = 0}, Fate::kDrop, DropReason::kBadIpHeader},
    {"v4 header beyond the packet", {.header_words = 15, .payload = {}}, Fate::kDrop, DropReason::kBadIpHeader},
    {"v4 total of 0", {.ip_length = 0}, Fate::kDrop, DropReason::kBadIpHeader},
    {"v4 total below the header", {.ip_length = 19}, Fate::kDrop, DropReason::kBadIpHeader},
    {"v4 total beyond the frame", {.ip_length = 45}, Fate::kDrop, DropReason::kBadIpHeader},
    {"v4 total into the padding", {.ip_length = 45, .padding = 1}, Fate::kRelay},
    {"v4 cut in the header", {.cut_to = 14 + 19}, Fate::kDrop, DropReason::kBadIpHeader},
    {"v4 cut in the payload", {.cut_to = 14 + 43}, Fate::kDrop, DropReason::kBadIpHeader},
    {"v4 header checksum", {.ip_checksum = 0x1234}, Fate::kDrop, DropReason::kBadIpChecksum},
    {"v4 header checksum 0", {.ip_checksum = 0}, Fate::kDrop, DropReason::kBadIpChecksum},
    {"v4 header alone", {.ip_length = 20}, Fate::kDrop, DropReason::kBadUdpLength},
    {"v4 half a UDP header", {.ip_length = 27}, Fate::kDrop, DropReason::kBadUdpLength},
    {"v4 UDP length 0", {.udp_length = 0}, Fate::kDrop, DropReason::kBadUdpLength},
    {"v4 UDP length 7", {.udp_length = 7}, Fate::kDrop, DropReason::kBadUdpLength},
    {"v4 UDP length beyond IP", {.udp_length = 25}, Fate::kDrop, DropReason::kBadUdpLength},
    {"v4 UDP length into the padding", {.udp_length = 25, .padding = 20}, Fate::kDrop, DropReason::kBadUdpLength},
    {"v4 first fragment", {.fragment = {{0, 16, true}}}, Fate::kFragment},
    {"v4 last fragment", {.fragment = {{16, 8, false}}}, Fate::kFragment},
    {"v4 fragment in a VLAN", {.vlan = 5, .fragment = {{8, 8, true}}}, Fate::kFragment},
    {"v4 fragment for others", {.to = "198.18.0.253:7777", .fragment = {{0, 16, true}}}, Fate::kKernel},
    {"v4 fragment of ICMP", {.protocol = 1, .fragment = {{0, 16, true}}}, Fate::kKernel},
    {"v4 fragment, header checksum",
     {.ip_checksum = 1, .fragment = {{0, 16, true}}},
     Fate::kDrop,
     DropReason::kBadIpChecksum},
};

PacketRow V6(PacketRow row) {
  if (row.from == test::kClient4) row.from = test::kClient6;
  if (row.to == test::kRelay4) row.to = test::kRelay6;
  return row;
}

const FateRow kIpv6Rows[] = {
    {"v6 other address", {.to = "[2001:db8::fd]:7777"}, Fate::kKernel},
    {"v6 unspecified", {.to = "[::]:7777"}, Fate::kKernel},
    {"v6 multicast", {.to = "[ff02::1]:7777"}, Fate::kKernel},
    {"v6 other port", {.to = "[2001:db8::fe]:7778"}, Fate::kKernel},
    {"v6 ICMP", {.protocol = 58}, Fate::kKernel},
    {"v6 hop-by-hop options", {.options = {17, 0, 1, 4, 0, 0, 0, 0}, .extension = 0}, Fate::kKernel},
    {"v6 destination options", {.options = {17, 0, 1, 4, 0, 0, 0, 0}, .extension = 60}, Fate::kKernel},
    {"v6 type, version 4", {.version = 4}, Fate::kDrop, DropReason::kBadIpHeader},
    {"v6 cut in the header", {.cut_to = 14 + 39}, Fate::kDrop, DropReason::kBadIpHeader},
    {"v6 cut in the payload", {.cut_to = 14 + 40 + 23}, Fate::kDrop, DropReason::kBadIpHeader},
    {"v6 payload beyond the frame", {.ip_length = 25}, Fate::kDrop, DropReason::kBadIpHeader},
    {"v6 payload 65,535", {.ip_length = 65535}, Fate::kDrop, DropReason::kBadIpHeader},
    {"v6 payload 0", {.ip_length = 0}, Fate::kDrop, DropReason::kBadUdpLength},
    {"v6 half a UDP header", {.ip_length = 7}, Fate::kDrop, DropReason::kBadUdpLength},
    {"v6 UDP length 0", {.udp_length = 0}, Fate::kDrop, DropReason::kBadUdpLength},
    {"v6 UDP length beyond IP", {.udp_length = 25}, Fate::kDrop, DropReason::kBadUdpLength},
    {"v6 no UDP checksum", {.udp_checksum = 0}, Fate::kDrop, DropReason::kZeroChecksum},
    {"v6 from and to mapped", {.mapped = true}, Fate::kKernel},
    {"v6 from mapped",
     {.from = test::kClient4, .to = test::kRelay6, .mapped = true},
     Fate::kDrop,
     DropReason::kRefusedSource},
    {"v6 first fragment", {.fragment = {{0, 16, true}}}, Fate::kFragment},
    {"v6 last fragment", {.fragment = {{16, 8, false}}}, Fate::kFragment},
    {"v6 atomic fragment", {.fragment = {{0, 100, false}}}, Fate::kFragment},
    {"v6 fragment of ICMP", {.protocol = 58, .fragment = {{0, 16, true}}}, Fate::kKernel},
    {"v6 fragment for others", {.to = "[2001:db8::fd]:7777", .fragment = {{0, 16, true}}}, Fate::kKernel},
    {"v6 fragment header cut", {.ip_length = 7, .fragment = {{0, 16, true}}}, Fate::kDrop, DropReason::kBadIpHeader},
};

TEST_F(FrameTest, Fates) {
  const auto check = [this](const FateRow& row, const PacketRow& packet) {
    SCOPED_TRACE(row.name);
    const Frame in = Parse(test::Build(packet));
    ASSERT_EQ(in.fate, row.fate);
    if (row.fate == Fate::kDrop) {
      EXPECT_EQ(DropReasonName(in.reason), DropReasonName(row.reason));
    }
    if (row.fate == Fate::kFragment) {
      EXPECT_EQ(in.ip_offset, packet.vlan ? 18 : 14);
      EXPECT_EQ(in.ipv4, test::AddrOf(packet.from).IsIpv4());
    }
  };
  for (const FateRow& row : kEthernetRows) check(row, row.packet);
  for (const FateRow& row : kIpv4Rows) check(row, row.packet);
  for (const FateRow& row : kIpv6Rows) {
    check(row, row.packet.mapped ? row.packet : V6(row.packet));
  }
}

// What a context remembers where it remembers nothing is no address of ours.
TEST_F(FrameTest, NobodysAddress) {
  Bytes frame = test::Build({.ip_checksum = 0});
  std::fill_n(frame.begin() + 14 + 16, 4, 0);
  std::fill_n(frame.begin() + 14 + 20 + 2, 2, 0);
  uint32_t sum = 0;
  for (size_t i = 14; i < 34; i += 2) sum += uint32_t{frame[i]} << 8 | frame[i + 1];
  const auto checksum = static_cast<uint16_t>(~((sum & 0xffff) + (sum >> 16)));
  frame[24] = static_cast<uint8_t>(checksum >> 8);
  frame[25] = static_cast<uint8_t>(checksum);
  EXPECT_EQ(Parse(frame).fate, Fate::kKernel);
}

// Another set of addresses: what was found in the old one is ours only if it is in the new one.
TEST_F(FrameTest, AddressesChange) {
  const Bytes frame = test::Build({});
  Frame out;
  ParseFrame(frame, frame.size(), context_, out);
  EXPECT_EQ(out.fate, Fate::kRelay);
  context_.Use(ours_);
  ParseFrame(frame, frame.size(), context_, out);
  EXPECT_EQ(out.fate, Fate::kRelay);
  const AddressSet others(std::vector<IpBytes>{test::AddrOf(test::kRelay6).ip});
  context_.Use(others);
  ParseFrame(frame, frame.size(), context_, out);
  EXPECT_EQ(out.fate, Fate::kKernel);
}

TEST_F(FrameTest, VerifiedByTheNic) {
  context_.checksum_good = true;
  EXPECT_EQ(Parse(test::Build({.ip_checksum = 0x1234})).fate, Fate::kRelay);
  EXPECT_EQ(Parse(test::Build({.ip_checksum = 1, .fragment = {{0, 16, true}}})).fate, Fate::kFragment);
}

// Every length of every kind of frame, and bytes turned at random: nothing is read beyond the head (ASan), and what is
// ours lies within its frame.
TEST_F(FrameTest, NothingIsReadBeyondTheHead) {
  std::mt19937 random(1);
  const PacketRow rows[] = {{},
                            {.vlan = 5, .options = Bytes(40, 1)},
                            V6({}),
                            V6({.vlan = 5}),
                            {.vlan = 5, .fragment = {{0, 16, true}}},
                            V6({.vlan = 5, .fragment = {{0, 16, true}}})};
  size_t ours = 0;
  const auto check = [&](const Bytes& frame) {
    const Frame in = Parse(frame);
    if (in.fate == Fate::kFragment) {
      ASSERT_LE(in.ip_offset + (in.ipv4 ? 20u : 48u), frame.size());
    }
    if (in.fate != Fate::kRelay) return;
    ++ours;
    ASSERT_LE(size_t{in.udp_offset} + in.udp_bytes, frame.size());
    ASSERT_GE(in.udp_bytes, kUdpBytes);
    ASSERT_GE(size_t{in.udp_offset}, in.ip_offset + kIpv4Bytes);
  };
  for (const PacketRow& row : rows) {
    const Bytes whole = test::Build(row);
    for (size_t size = 0; size <= whole.size(); ++size) check({whole.begin(), whole.begin() + std::ptrdiff_t(size)});
    for (int i = 0; i < 20'000; ++i) {
      Bytes turned = whole;
      for (unsigned n = random() % 4; n > 0; --n) turned[random() % turned.size()] = static_cast<uint8_t>(random());
      turned.resize(turned.size() - random() % 3);
      context_.checksum_good = random() % 2 == 0;
      check(turned);
    }
  }
  EXPECT_GT(ours, 1000u);
}

// Answers to them would end within this host, or nowhere.
TEST(FrameSourceTest, SourcesThatNoWireHasAreRefused) {
  const AddressSet ours(std::vector<IpBytes>{test::AddrOf(test::kRelay4).ip, test::AddrOf(test::kRelay6).ip});
  FrameContext context;
  context.udp_port = test::kRelayPort;
  context.link_port = 1;
  context.Use(ours);
  for (const char* from : {"0.0.0.0:5", "0.1.2.3:5", "127.0.0.1:5", "224.0.0.1:5", "240.0.0.1:5", "255.255.255.255:5",
                           "[::]:5", "[::1]:5", "[ff02::1]:5"}) {
    test::PacketRow row;
    row.from = from;
    if (from[0] == '[') row.to = test::kRelay6;
    const test::Bytes bytes = test::Build(row);
    Frame out;
    ParseFrame(bytes, bytes.size(), context, out);
    EXPECT_EQ(out.fate, Frame::Fate::kDrop) << from;
    EXPECT_EQ(out.reason, DropReason::kRefusedSource) << from;
  }
}

}  // namespace
}  // namespace relay
