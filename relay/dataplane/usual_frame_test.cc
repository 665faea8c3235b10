// The straight way of the usual frame (usual_frame.h) beside the general one: whatever the bytes, both come to one end.
#include "relay/dataplane/usual_frame.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/support/frame_checker.h"
#include "tests/support/packet_builder.h"

namespace relay {
namespace {

using test::Bytes;
using test::kOwn;
using test::PacketRow;

constexpr size_t kIpEnd = kEthernetBytes + kIpv4Bytes;

class UsualFrameTest : public testing::Test {
 protected:
  UsualFrameTest() {
    fresh_.udp_port = test::kRelayPort;
    fresh_.link_port = 3;
    fresh_.interface = 9;
    fresh_.Use(ours_);
    primed_ = fresh_;
    EXPECT_TRUE(primed_.IsOurs(test::AddrOf(test::kRelay4).ip));
  }

  unsigned Below(unsigned end) { return random_() % end; }
  uint8_t Byte() { return static_cast<uint8_t>(random_()); }

  // Mostly right, each field in turn at its edges; some bytes of the headers are anything. The header's checksum is
  // mostly made right again: or that alone would end most of them.
  Bytes RandomFrame() {
    PacketRow row;
    row.payload.resize(Below(40));
    for (uint8_t& byte : row.payload) byte = Byte();
    row.behind_udp.resize(Below(4) == 0 ? Below(3) : 0);
    row.padding = Below(2) == 0 ? Below(20) : 0;
    row.traffic_class = Byte();
    row.flags = static_cast<uint16_t>(Below(8) == 0 ? random_() : Below(3) << 14);
    row.ttl = Byte();
    if (Below(8) == 0) row.options = Bytes(4, 1);
    if (Below(8) == 0) row.vlan = static_cast<uint16_t>(random_());
    if (Below(4) == 0) row.udp_checksum = static_cast<uint16_t>(Below(2) * random_());
    if (Below(8) == 0) row.to = test::kRelay6, row.from = test::kClient6;
    Bytes frame = test::Build(row);
    const size_t headers = std::min(frame.size(), kIpEnd + kUdpBytes);
    for (unsigned n = Below(3); n > 0; --n) {
      uint8_t& byte = frame[Below(static_cast<unsigned>(headers))];
      byte = static_cast<uint8_t>(Below(2) == 0 ? Byte() : byte ^ 1u << Below(8));
    }
    if (Below(8) == 0) frame.resize(frame.size() - Below(static_cast<unsigned>(frame.size())));
    if (Below(4) != 0 && frame.size() >= kIpEnd) RightChecksum(frame);
    return frame;
  }
  static void RightChecksum(Bytes& frame) {
    frame[24] = frame[25] = 0;
    const auto sum = static_cast<uint16_t>(~test::InternetSum(std::span(frame).subspan(kEthernetBytes, kIpv4Bytes)));
    frame[24] = static_cast<uint8_t>(sum >> 8);
    frame[25] = static_cast<uint8_t>(sum);
  }
  Path RandomUsualPath() {
    Path to;
    to.remote = test::AddrOf(test::kClient4);
    to.local_ip = to.remote.ip;
    for (size_t i = 12; i < 16; ++i) {
      to.remote.ip[i] = static_cast<uint8_t>(Below(2) == 0 ? Byte() : Below(2) * 0xff);
      to.local_ip[i] = static_cast<uint8_t>(Below(2) == 0 ? Byte() : Below(2) * 0xff);
    }
    to.remote.port = static_cast<uint16_t>(random_());
    to.local_port = static_cast<uint16_t>(random_());
    to.link.port = 2;
    for (uint8_t& byte : to.link.mac) byte = Byte();
    return to;
  }

  void ExpectSame(const UsualFrame& straight, const Frame& general) {
    Frame usual;
    Complete(straight, usual);
    ASSERT_EQ(usual.fate, general.fate);
    ASSERT_EQ(usual.from, general.from);
    ASSERT_EQ(usual.ipv4, general.ipv4);
    ASSERT_EQ(usual.ecn, general.ecn);
    ASSERT_EQ(usual.ip_offset, general.ip_offset);
    ASSERT_EQ(usual.udp_offset, general.udp_offset);
    ASSERT_EQ(usual.udp_bytes, general.udp_bytes);
    ASSERT_EQ(usual.address_sum, general.address_sum);
    ASSERT_EQ(usual.udp_checksum, general.udp_checksum);
  }

  const AddressSet ours_{std::vector<IpBytes>{test::AddrOf(test::kRelay4).ip, test::AddrOf("198.18.3.9:1").ip,
                                              test::AddrOf(test::kRelay6).ip}};
  FrameContext fresh_;   // Remembers nothing: whatever it parses takes the general way.
  FrameContext primed_;  // Remembers our IPv4 address.
  std::mt19937 random_{4};
};

TEST_F(UsualFrameTest, ParsesAsTheGeneralWay) {
  size_t usual_frames = 0;
  size_t others = 0;
  for (int i = 0; i < 300'000; ++i) {
    const Bytes frame = RandomFrame();
    FrameContext fresh = fresh_;
    Frame general;
    std::memset(static_cast<void*>(&general), 0xa5, sizeof(general));
    ParseFrame(frame, frame.size(), fresh, general);
    UsualFrame usual;
    std::memset(static_cast<void*>(&usual), 0x5a, sizeof(usual));
    if (ParseUsual(frame.data(), frame.size(), primed_, usual)) {
      ++usual_frames;
      ExpectSame(usual, general);
    } else {
      ++others;
      UsualFrame untouched;  // Nothing was said of it.
      std::memset(static_cast<void*>(&untouched), 0x5a, sizeof(untouched));
      ASSERT_EQ(std::memcmp(&usual, &untouched, sizeof(usual)), 0);
    }
    if (HasFailure()) {
      ADD_FAILURE() << testing::PrintToString(frame);
      return;
    }
  }
  EXPECT_GT(usual_frames, 50'000u);
  EXPECT_GT(others, 50'000u);
}

TEST_F(UsualFrameTest, WritesAsTheGeneralWay) {
  size_t written = 0;
  for (int i = 0; i < 300'000; ++i) {
    const Bytes frame = RandomFrame();
    UsualFrame in;
    if (!ParseUsual(frame.data(), frame.size(), primed_, in) || in.udp_checksum == 0) continue;
    ++written;
    Frame general;
    ParseFrame(frame, frame.size(), FrameContext(primed_), general);
    const Path to = RandomUsualPath();
    Bytes usual = frame;
    usual.resize(kIpEnd + in.udp_bytes);
    WriteUsual(in, Ipv4Path::Of(PathWords::Of(to)), kOwn, usual.data());
    ASSERT_EQ(usual, test::Rewritten(frame, general, to, kOwn));
  }
  EXPECT_GT(written, 50'000u);
}

}  // namespace
}  // namespace relay
