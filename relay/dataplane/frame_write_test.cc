// Frames out: read again by a checker that shares no code with what wrote them.
#include <gtest/gtest.h>

#include <random>

#include "relay/dataplane/frame.h"
#include "tests/support/frame_checker.h"
#include "tests/support/packet_builder.h"

namespace relay {
namespace {

using test::Bytes;
using test::kOwn;
using test::PacketRow;
using test::Seen;

constexpr MacAddress kNextHop = {2, 0, 0, 0, 0, 0x88};
constexpr char kPeer4[] = "198.18.1.9:2001";
constexpr char kPeer6[] = "[2001:db8:1::9]:2002";

const AddressSet& Ours() {
  static const AddressSet ours(std::vector<IpBytes>{test::AddrOf(test::kRelay4).ip, test::AddrOf(test::kRelay6).ip});
  return ours;
}

Frame Parse(const Bytes& frame) {
  Frame in;
  FrameContext context;
  context.udp_port = test::kRelayPort;
  context.link_port = 1;
  context.Use(Ours());
  ParseFrame(frame, frame.size(), context, in);
  EXPECT_EQ(in.fate, Frame::Fate::kRelay);
  return in;
}

Path Towards(const std::string& peer, uint16_t vlan = 0) {
  Path to;
  to.remote = test::AddrOf(peer);
  to.local_ip = test::AddrOf(to.IsIpv4() ? "198.18.0.253:1" : "[2001:db8::fd]:1").ip;  // Another one than was hit.
  to.local_port = 7070;
  to.link = {.port = 2, .vlan = vlan, .mac = kNextHop};
  return to;
}

PacketRow From(bool ipv4) { return ipv4 ? PacketRow{} : PacketRow{.from = test::kClient6, .to = test::kRelay6}; }

// Everything that must be so, whatever came in.
void CheckHeaders(const Seen& out, const Path& to, uint8_t ecn, const Bytes& payload) {
  ASSERT_EQ(out.error, "");
  EXPECT_EQ(out.to_mac, kNextHop);
  EXPECT_EQ(out.from_mac, kOwn);
  EXPECT_EQ(out.vlan, to.link.vlan == 0 ? std::nullopt : std::optional(to.link.vlan));
  EXPECT_EQ(out.ipv4, to.IsIpv4());
  EXPECT_EQ(out.ip_header_bytes, to.IsIpv4() ? 20u : 40u);
  EXPECT_EQ(out.traffic_class, ecn);  // DSCP 0.
  EXPECT_EQ(out.ttl, 64);
  EXPECT_EQ(out.id, 0);
  EXPECT_EQ(out.flags_and_offset, to.IsIpv4() ? 0x4000 : 0);
  EXPECT_EQ(out.flow_label, 0u);
  EXPECT_EQ(out.protocol, 17);
  EXPECT_EQ(out.from.ip, to.local_ip);
  EXPECT_EQ(out.from.port, to.local_port);
  EXPECT_EQ(out.to.ip, to.remote.ip);
  EXPECT_EQ(out.to.port, to.remote.port);
  EXPECT_EQ(out.udp_length, 8 + payload.size());
  EXPECT_EQ(out.ip_payload.size(), out.udp_length);  // What was behind UDP is gone,
  EXPECT_EQ(out.padding, 0u);                        // and so is Ethernet's padding.
  EXPECT_EQ(out.payload, payload);
}

TEST(FrameWriteTest, EveryCombinationOfHeaders) {
  std::mt19937 random(2);
  for (const bool ipv4 : {true, false}) {
    for (const char* peer : {kPeer4, kPeer6}) {
      for (const std::optional<uint16_t> vlan_in : {std::optional<uint16_t>{}, std::optional<uint16_t>{0xa005}}) {
        for (const uint16_t vlan_out : {0, 4094}) {
          for (const size_t option_bytes : {0, 4, 40}) {
            for (uint8_t ecn = 0; ecn < 4; ++ecn) {
              for (const uint16_t error : {0, 1, 0xbeef}) {
                PacketRow row = From(ipv4);
                row.vlan = vlan_in;
                if (ipv4) row.options = Bytes(option_bytes, 1);
                row.traffic_class = static_cast<uint8_t>(0xfc | ecn);
                row.udp_checksum_error = error;
                row.payload = Bytes(random() % 70);
                for (uint8_t& byte : row.payload) byte = static_cast<uint8_t>(random());
                row.behind_udp = Bytes(random() % 3);
                row.padding = random() % 9;
                const Bytes frame = test::Build(row);
                const Frame in = Parse(frame);
                const Path to = Towards(peer, vlan_out);
                const Bytes written = test::Rewritten(frame, in, to, kOwn);
                EXPECT_EQ(written.size(), OuterBytes(to) + in.udp_bytes);
                EXPECT_EQ(written.size(), 14u + (vlan_out != 0 ? 4u : 0u) + IpPacketBytes(to, in.udp_bytes));
                const Seen out = test::Inspect(written);
                CheckHeaders(out, to, ecn, row.payload);
                EXPECT_EQ(out.udp_error, error);  // Right stays right, wrong stays wrong, and as wrong as it was.
                if (HasFailure()) return;
              }
            }
          }
        }
      }
    }
  }
}

// The incremental update is exact for any checksum and any addresses.
TEST(FrameWriteTest, ChecksumsOfRandomPackets) {
  std::mt19937 random(3);
  for (int i = 0; i < 20'000; ++i) {
    PacketRow row = From(random() % 2 == 0);
    row.udp_checksum = static_cast<uint16_t>(1 + random() % 0xffff);
    row.payload = Bytes(random() % 20, static_cast<uint8_t>(random()));
    const Bytes frame = test::Build(row);
    const uint16_t error = test::Inspect(frame).udp_error;
    Path to = Towards(random() % 2 == 0 ? kPeer4 : kPeer6);
    for (size_t b = 12; b < 16; ++b) to.local_ip[b] = to.remote.ip[b] = static_cast<uint8_t>(random() % 3 * 0x7f);
    to.remote.port = static_cast<uint16_t>(random());
    const Seen out = test::Inspect(test::Rewritten(frame, Parse(frame), to, kOwn));
    ASSERT_EQ(out.error, "");
    ASSERT_NE(out.udp_checksum, 0);
    ASSERT_EQ(out.udp_error, error);
  }
}

TEST(FrameWriteTest, NoChecksumStaysNoneInIpv4) {
  const PacketRow row{.udp_checksum = 0};
  const Bytes frame = test::Build(row);
  const Path to = Towards(kPeer4);
  const Seen out = test::Inspect(test::Rewritten(frame, Parse(frame), to, kOwn));
  CheckHeaders(out, to, 0, row.payload);
  EXPECT_EQ(out.udp_checksum, 0);
}

TEST(FrameWriteTest, NoChecksumBecomesAFullOneInIpv6) {
  for (const size_t bytes : {0, 1, 16, 17, 1400}) {
    PacketRow row{.udp_checksum = 0};
    row.payload = test::GeneveData(7, bytes);
    row.padding = 3;
    const Bytes frame = test::Build(row);
    const Path to = Towards(kPeer6);
    const Seen out = test::Inspect(test::Rewritten(frame, Parse(frame), to, kOwn));
    CheckHeaders(out, to, 0, row.payload);
    EXPECT_NE(out.udp_checksum, 0);
    EXPECT_EQ(out.udp_error, 0);
  }
}

// A payload that makes the checksum towards `to` come out as 0.
Bytes PayloadOfZero(const Path& to) {
  const test::PacketRow row{
      .from = to.IsIpv4() ? "198.18.0.253:7070" : "[2001:db8::fd]:7070", .to = to.remote.ToString(), .payload = {0, 0}};
  const Bytes frame = test::Build(row);
  const uint16_t checksum = test::Inspect(frame).udp_checksum;
  return {static_cast<uint8_t>(checksum >> 8), static_cast<uint8_t>(checksum)};
}

TEST(FrameWriteTest, ComputedZeroIsSentAsAllOnes) {
  for (const char* peer : {kPeer4, kPeer6}) {
    const Path to = Towards(peer);
    const Bytes payload = PayloadOfZero(to);
    for (const bool ipv4 : {true, false}) {
      for (const bool none : {false, true}) {
        if (none && (!ipv4 || to.IsIpv4())) continue;
        PacketRow row = From(ipv4);
        row.payload = payload;
        if (none) row.udp_checksum = 0;
        const Bytes frame = test::Build(row);
        const Seen out = test::Inspect(test::Rewritten(frame, Parse(frame), to, kOwn));
        CheckHeaders(out, to, 0, payload);
        EXPECT_EQ(out.udp_checksum, 0xffff) << peer << ipv4 << none;
        EXPECT_EQ(out.udp_error, 0);
      }
    }
  }
}

TEST(FrameWriteTest, DatagramsOfOurOwn) {
  for (const char* peer : {kPeer4, kPeer6}) {
    for (const uint16_t vlan : {0, 9}) {
      const Path to = Towards(peer, vlan);
      const Bytes payload = test::GeneveData(1, 33);
      Bytes frame(OuterBytes(to) + kUdpBytes, 0xdd);
      WriteOwnOuter(to, kOwn, payload.size(), frame.data());
      frame.insert(frame.end(), payload.begin(), payload.end());
      Seen out = test::Inspect(frame);
      CheckHeaders(out, to, 0, payload);
      EXPECT_EQ(out.udp_checksum, 0);

      const std::span<uint8_t> udp = std::span(frame).subspan(OuterBytes(to));
      const uint16_t sum = __builtin_bswap16(test::InternetSum(udp));
      const uint16_t checksum = ChecksumOf(PseudoHeaderSum(to, udp.size()), sum);
      std::memcpy(&udp[6], &checksum, sizeof(checksum));
      out = test::Inspect(frame);
      EXPECT_NE(out.udp_checksum, 0);
      EXPECT_EQ(out.udp_error, 0);
    }
  }
}

}  // namespace
}  // namespace relay
