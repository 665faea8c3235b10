#include "relay/dataplane/icmp.h"

#include <gtest/gtest.h>

#include "tests/support/frame_checker.h"
#include "tests/support/packet_builder.h"

namespace relay {
namespace {

using test::Bytes;
using test::kOwn;
using test::PacketRow;
using test::Seen;

Frame Received(const Bytes& frame) {
  static const AddressSet ours(std::vector<IpBytes>{test::AddrOf(test::kRelay4).ip, test::AddrOf(test::kRelay6).ip});
  Frame in;
  FrameContext context;
  context.udp_port = test::kRelayPort;
  context.link_port = 1;
  context.Use(ours);
  ParseFrame(frame, frame.size(), context, in);
  EXPECT_EQ(in.fate, Frame::Fate::kRelay);
  return in;
}

PacketRow Row(bool ipv4, size_t payload) {
  PacketRow row;
  if (!ipv4) {
    row.from = test::kClient6;
    row.to = test::kRelay6;
  }
  row.payload = test::GeneveData(5, payload - 8);
  return row;
}

Path Towards(bool ipv4) {
  Path to;
  to.remote = test::AddrOf(ipv4 ? test::kClient4 : test::kClient6);
  return to;
}

Bytes TooBig(const Bytes& frame, uint16_t mtu, size_t room = kMaxTooBigBytes) {
  Bytes out(room);
  out.resize(WriteTooBig(Received(frame), frame, mtu, kOwn, out));
  return out;
}

TEST(IcmpTest, AnswersTheSender) {
  for (const bool ipv4 : {true, false}) {
    for (const std::optional<uint16_t> vlan : {std::optional<uint16_t>{}, std::optional<uint16_t>{5}}) {
      for (const size_t options : {0, 8, 40}) {
        for (const size_t payload : {8, 9, 500, 1472, 8000}) {
          PacketRow row = Row(ipv4, payload);
          row.vlan = vlan;
          if (ipv4) row.options = Bytes(options, 1);
          row.padding = 7;
          const Bytes frame = test::Build(row);
          const Seen out = test::Inspect(TooBig(frame, 1480));
          ASSERT_EQ(out.error, "");
          EXPECT_EQ(out.to_mac, test::kClientMac);
          EXPECT_EQ(out.from_mac, kOwn);
          EXPECT_EQ(out.vlan, vlan);
          EXPECT_EQ(out.from.ip, test::AddrOf(row.to).ip);
          EXPECT_EQ(out.to.ip, test::AddrOf(row.from).ip);
          EXPECT_EQ(out.ttl, 64);
          EXPECT_EQ(out.padding, 0u);
          EXPECT_EQ(out.protocol, ipv4 ? 1 : 58);
          EXPECT_EQ(out.icmp_error, 0);
          const Bytes head(out.ip_payload.begin(), out.ip_payload.begin() + 8);
          const Bytes expected =
              ipv4 ? Bytes{3, 4, head[2], head[3], 0, 0, 0x05, 0xc8} : Bytes{2, 0, head[2], head[3], 0, 0, 0x05, 0xc8};
          EXPECT_EQ(head, expected);
          // The IP packet as it came, as far as it fits; never the padding.
          const size_t ip_at = vlan ? 18 : 14;
          const size_t packet = frame.size() - ip_at - row.padding;
          const size_t quoted = std::min<size_t>(packet, ipv4 ? 576 - 28 : 1280 - 48);
          ASSERT_EQ(out.ip_payload.size(), 8 + quoted);
          EXPECT_TRUE(std::equal(out.ip_payload.begin() + 8, out.ip_payload.end(),
                                 frame.begin() + static_cast<std::ptrdiff_t>(ip_at)));
        }
      }
    }
  }
}

TEST(IcmpTest, NobodyIsAnsweredWhoIsNotOneHost) {
  // Most of these do not get past ParseFrame; whoever calls without it gets nothing either.
  const auto answer = [](bool ipv4, const char* from) {
    const Bytes frame = test::Build(Row(ipv4, 100));
    Frame in = Received(frame);
    in.from.remote = test::AddrOf(from);
    Bytes out(kMaxTooBigBytes);
    return WriteTooBig(in, frame, 1480, kOwn, out);
  };
  for (const char* from : {"0.0.0.0:5", "0.1.2.3:5", "127.0.0.1:5", "224.0.0.1:5", "239.255.255.255:5", "240.0.0.1:5",
                           "255.255.255.255:5", "198.18.0.1:0"}) {
    EXPECT_EQ(answer(true, from), 0u) << from;
  }
  for (const char* from : {"[::]:5", "[::1]:5", "[ff02::1]:5", "[ff0e::9]:5", "[2001:db8::1]:0"}) {
    EXPECT_EQ(answer(false, from), 0u) << from;
  }
  Frame in = Received(test::Build(Row(true, 100)));
  in.from.link.mac = test::kBroadcastMac;
  Bytes out(kMaxTooBigBytes);
  EXPECT_EQ(WriteTooBig(in, test::Build(Row(true, 100)), 1480, kOwn, out), 0u);
}

TEST(IcmpTest, NeedsRoomAndSomethingToQuote) {
  const Bytes frame = test::Build(Row(true, 100));
  const size_t whole = TooBig(frame, 1480).size();
  EXPECT_EQ(TooBig(frame, 1480, whole).size(), whole);
  for (size_t room = 0; room < whole; ++room) EXPECT_TRUE(TooBig(frame, 1480, room).empty()) << room;

  // Less than UDP's header is no quotation; only what is in one piece is quoted.
  const Frame in = Received(frame);
  Bytes out(kMaxTooBigBytes);
  EXPECT_EQ(WriteTooBig(in, std::span(frame).first(in.udp_offset + 7u), 1480, kOwn, out), 0u);
  EXPECT_EQ(WriteTooBig(in, std::span(frame).first(in.udp_offset + 8u), 1480, kOwn, out), 14u + 20 + 8 + 28);
}

struct MtuRow {
  bool in_ipv4;
  bool out_ipv4;
  uint16_t out_mtu;
  uint16_t told;
};

TEST(IcmpTest, Mtu) {
  const MtuRow rows[] = {{true, true, 1500, 1500},   {true, false, 1500, 1480},   {false, true, 1500, 1520},
                         {false, false, 1500, 1500}, {true, false, 1280, 1260},   {false, false, 1280, 1280},
                         {false, true, 1200, 1280},  {true, true, 68, 68},        {true, true, 60, 68},
                         {true, false, 30, 68},      {false, true, 0, 1280},      {true, false, 0, 68},
                         {true, true, 9000, 9000},   {false, true, 65535, 65535}, {true, false, 65535, 65515}};
  for (const MtuRow& row : rows) {
    const Frame in = Received(test::Build(Row(row.in_ipv4, 100)));
    EXPECT_EQ(TooBigMtu(in, row.out_mtu, Towards(row.out_ipv4)), row.told)
        << row.in_ipv4 << row.out_ipv4 << row.out_mtu;
  }
}

// What is told is shorter than what was sent, and what is as long as was told fits, with options or without.
TEST(IcmpTest, MtuMakesTheNextOneFit) {
  constexpr uint16_t kOutMtu = 1500;
  for (const bool ipv4_in : {true, false}) {
    for (const bool ipv4_out : {true, false}) {
      for (const size_t options : {0, 4, 40}) {
        const Path to = Towards(ipv4_out);
        const size_t most = kOutMtu - IpPacketBytes(to, 0) - kUdpBytes;
        PacketRow row = Row(ipv4_in, most + 1);
        if (ipv4_in) row.options = Bytes(options, 1);
        const Frame in = Received(test::Build(row));
        ASSERT_GT(IpPacketBytes(to, in.udp_bytes), kOutMtu);
        const size_t told = TooBigMtu(in, kOutMtu, to);
        const size_t header = size_t{in.udp_offset} - in.ip_offset;
        EXPECT_LT(told, header + in.udp_bytes);
        EXPECT_LE(IpPacketBytes(to, told - header), kOutMtu);
      }
    }
  }
}

}  // namespace
}  // namespace relay
