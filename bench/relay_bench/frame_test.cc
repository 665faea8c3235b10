#include "bench/relay_bench/frame.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "bench/relay_bench/eal_arguments.h"
#include "bench/relay_bench/flags.h"

namespace bench {
namespace {

constexpr Mac kClientMac = {2, 0, 0, 0, 0, 2};
constexpr Mac kRelayMac = {2, 0, 0, 0, 0, 1};

struct Wire {
  explicit Wire(const char* net, const char* relay_text)
      : clients(*ParseClientNet(net)),
        relay(*disco::AddrPort::Parse(relay_text)),
        writer(kClientMac, kRelayMac, clients, relay, true),
        reader(clients, relay, true) {}

  std::vector<uint8_t> FrameOf(uint32_t client, std::vector<uint8_t> payload) const {
    std::vector<uint8_t> frame(writer.headers_size());
    writer.Write(frame.data(), client, static_cast<uint32_t>(payload.size()), SumWords(payload));
    frame.insert(frame.end(), payload.begin(), payload.end());
    return frame;
  }
  // As a reflector sends it back: addresses and ports swapped, which leaves the checksums right.
  std::vector<uint8_t> Reflected(std::vector<uint8_t> frame) const {
    const size_t ip = clients.ipv4() ? 4 : 16;
    const size_t at = kEthernetSize + (clients.ipv4() ? 12 : 8);
    std::swap_ranges(&frame[at], &frame[at + ip], &frame[at + ip]);
    std::swap_ranges(&frame[at + 2 * ip], &frame[at + 2 * ip + 2], &frame[at + 2 * ip + 2]);
    return frame;
  }

  ClientAddresses clients;
  disco::AddrPort relay;
  FrameWriter writer;
  FrameReader reader;
};

class FrameTest : public testing::TestWithParam<std::array<const char*, 2>> {
 protected:
  Wire wire{GetParam()[0], GetParam()[1]};
};
INSTANTIATE_TEST_SUITE_P(Families, FrameTest,
                         testing::Values(std::array{"198.18.0.0/16", "198.19.0.1:40000"},
                                         std::array{"2001:db8:1::/64", "[2001:db8::1]:40000"}));

TEST_P(FrameTest, WhatIsWrittenIsReadWithItsChecksums) {
  for (const uint32_t client : {0u, 1u, 70'000u, 1'999'999u}) {
    for (const size_t size : {0u, 1u, 8u, 63u, 64u, 1280u}) {
      std::vector<uint8_t> payload(size);
      for (size_t i = 0; i < size; ++i) payload[i] = static_cast<uint8_t>(i * 37 + client);
      const std::vector<uint8_t> frame = wire.Reflected(wire.FrameOf(client, payload));
      const FrameRead read = wire.reader.Read(frame);
      ASSERT_EQ(read.what, FrameRead::What::kDatagram) << client << " " << size;
      EXPECT_EQ(read.client, client);
      EXPECT_EQ(std::vector<uint8_t>(read.payload.begin(), read.payload.end()), payload);
    }
  }
}

TEST_P(FrameTest, EveryDamagedBitOfADatagramIsNoticed) {
  const std::vector<uint8_t> good = wire.Reflected(wire.FrameOf(5, std::vector<uint8_t>(64, 0xa5)));
  // The checksums cover all but Ethernet's header and, over IPv6, traffic class, flow label and hop limit.
  for (size_t byte = kEthernetSize; byte < good.size(); ++byte) {
    const size_t ip = byte - kEthernetSize;
    if (!wire.clients.ipv4() && (ip < 4 || ip == 7)) continue;
    std::vector<uint8_t> frame = good;
    frame[byte] ^= 0x10;
    EXPECT_NE(wire.reader.Read(frame).what, FrameRead::What::kDatagram) << "byte " << byte;
  }
}

TEST_P(FrameTest, ShortFramesAndPaddingAreFine) {
  std::vector<uint8_t> frame = wire.Reflected(wire.FrameOf(5, {1, 2, 3}));
  for (size_t size = 0; size < frame.size(); ++size) {
    EXPECT_NE(wire.reader.Read(std::span(frame).first(size)).what, FrameRead::What::kDatagram);
  }
  frame.resize(frame.size() + 20);  // Ethernet's.
  EXPECT_EQ(wire.reader.Read(frame).payload.size(), 3u);
}

TEST(ClientAddressesTest, EachClientHasAnAddressOfItsOwn) {
  for (const char* const net : {"198.18.0.0/29", "198.18.0.0/15", "2001:db8::/112", "2001:db8::/32"}) {
    const ClientAddresses clients(*ParseClientNet(net));
    std::set<disco::AddrPort> seen;
    for (uint32_t client = 0; client < 1000; ++client) {
      const disco::AddrPort address = clients.Of(client);
      EXPECT_TRUE(seen.insert(address).second);
      EXPECT_EQ(clients.ClientOf(clients.LowOf(client), clients.PortOf(client)), client);
    }
  }
  const ClientAddresses small(*ParseClientNet("198.18.0.0/29"));
  EXPECT_EQ(small.Of(0).ToString(), "198.18.0.1:20000");
  EXPECT_EQ(small.Of(4).ToString(), "198.18.0.1:20001");
  EXPECT_FALSE(small.ClientOf(small.LowOf(0) - 1, 20000));
  EXPECT_FALSE(small.ClientOf(small.LowOf(3) + 1, 20000));
  EXPECT_FALSE(small.ClientOf(small.LowOf(0), 19999));
}

TEST(EalArgumentsTest, AddsWhatIsNotThere) {
  const auto plain = EalArguments("--vdev=net_vhost0,iface=/x");
  ASSERT_TRUE(plain.ok());
  for (const char* const added : {"--no-pci", "--in-memory", "--single-file-segments", "-l"}) {
    EXPECT_NE(std::find(plain->begin(), plain->end(), added), plain->end()) << added;
  }
  EXPECT_EQ(*EalArguments("-l 2 --no-huge -m 256 -a0000:01:00.0 --log-level=8"),
            (std::vector<std::string>{"relay-bench", "-l", "2", "--no-huge", "-m", "256", "-a0000:01:00.0",
                                      "--log-level=8"}));
}

TEST(FlagsTest, ReadsHostileMixesNetworksAndMacs) {
  const auto rates = ParseHostile("bogus_control:1e3,random:50.5");
  ASSERT_TRUE(rates.ok());
  EXPECT_EQ(rates->bogus_control, 1000);
  EXPECT_EQ(rates->random, 50.5);
  EXPECT_EQ(rates->unknown_vni, 0);
  for (const char* const bad : {"x:1", "random", "random:", "random:-1", "random:1,", "random:nan"}) {
    EXPECT_FALSE(ParseHostile(bad).ok()) << bad;
  }
  for (const char* const bad : {"", "198.18.0.0", "198.18.0.0/31", "198.18.0.0/x", "2001:db8::/113", "host/8"}) {
    EXPECT_FALSE(ParseClientNet(bad).ok()) << bad;
  }
  EXPECT_EQ(*ParseMac("02:00:00:0a:0B:ff"), (Mac{2, 0, 0, 10, 11, 255}));
  for (const char* const bad : {"", "02:00:00:00:00", "02:00:00:00:00:0g", "2:0:0:0:0:1", "02:00:00:00:00:01:02"}) {
    EXPECT_FALSE(ParseMac(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace bench
