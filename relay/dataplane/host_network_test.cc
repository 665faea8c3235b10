#include "relay/dataplane/host_network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <random>
#include <set>
#include <string>

#include "relay/dataplane/kernel_fixture.h"

namespace relay {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

std::vector<Link> Neighbours(const char* interface, uint16_t port) {
  const std::vector<PortInterface> ports = {{.link_port = port, .interface = if_nametoindex(interface)}};
  return ReadNeighbours(ports).value();
}

IpBytes IpOf(std::string_view address) { return At(address).ip; }

// Addresses that look alike, as those of one host do: IPv4, or IPv6 with few bits that differ.
IpBytes RandomIp(std::mt19937& random, uint32_t range) {
  const uint32_t value = std::uniform_int_distribution<uint32_t>(0, range)(random);
  IpBytes out{};
  if (random() % 2 == 0) {
    out[10] = out[11] = 0xff;
    std::memcpy(&out[12], &value, sizeof(value));
  } else {
    out[0] = 0x20;
    std::memcpy(&out[random() % 2 == 0 ? 4 : 12], &value, sizeof(value));
  }
  return out;
}

TEST(AddressSetTest, AgreesWithASet) {
  std::mt19937 random(1);
  for (const size_t count : {0, 1, 2, 3, 7, 8, 9, 100, 5000}) {
    const auto range = static_cast<uint32_t>(count * 2);
    std::vector<IpBytes> addresses;
    for (size_t i = 0; i < count; ++i) addresses.push_back(RandomIp(random, range));
    const std::set<IpBytes> expected(addresses.begin(), addresses.end());
    const AddressSet set(addresses);
    EXPECT_EQ(set.size(), expected.size());
    for (const IpBytes& ip : expected) EXPECT_TRUE(set.Contains(ip));
    for (int i = 0; i < 10'000; ++i) {
      IpBytes ip = RandomIp(random, range);
      EXPECT_EQ(set.Contains(ip), expected.contains(ip));
      ip[random() % ip.size()] ^= static_cast<uint8_t>(1u << random() % 8);
      EXPECT_EQ(set.Contains(ip), expected.contains(ip));
    }
  }
}

TEST(AddressSetTest, TheUnspecifiedAddressIsNobodys) {
  const std::vector<IpBytes> addresses = {IpBytes{}, IpOf("198.18.0.1:1"), IpBytes{}};
  const AddressSet set(addresses);
  EXPECT_EQ(set.size(), 1u);
  EXPECT_FALSE(set.Contains(IpBytes{}));
  EXPECT_TRUE(set.Contains(IpOf("198.18.0.1:1")));
  EXPECT_FALSE(AddressSet().Contains(IpBytes{}));
  EXPECT_FALSE(AddressSet().Contains(IpOf("198.18.0.1:1")));
}

TEST(NeighbourSetTest, AllThreePartsMustAgree) {
  const Link known{.port = 1, .vlan = 7, .mac = {2, 0, 0, 0, 0, 1}};
  const NeighbourSet set({{.port = 2, .vlan = 0, .mac = known.mac}, known, {.port = 1, .vlan = 7, .mac = {4}}, known});
  EXPECT_TRUE(set.Contains(known));
  EXPECT_TRUE(set.Contains({.port = 2, .vlan = 0, .mac = known.mac}));
  EXPECT_FALSE(set.Contains({.port = 2, .vlan = 7, .mac = known.mac}));
  EXPECT_FALSE(set.Contains({.port = 1, .vlan = 0, .mac = known.mac}));
  EXPECT_FALSE(set.Contains({.port = 1, .vlan = 7, .mac = {2, 0, 0, 0, 0, 2}}));
  EXPECT_FALSE(NeighbourSet().Contains(known));
}

TEST(NeighbourSetTest, OrderAndRepetitionDoNotMatter) {
  const Link a{.port = 1, .vlan = 7, .mac = {2}};
  const Link b{.port = 1, .vlan = 7, .mac = {4}};
  EXPECT_EQ(NeighbourSet({a, b}), NeighbourSet({b, a, b}));
  EXPECT_NE(NeighbourSet({a, b}), NeighbourSet({a}));
}

class HostNetworkTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!EnterEmptyNamespace()) GTEST_SKIP() << "no namespace for us here";
    ASSERT_TRUE(Ip("link add va type veth peer name vb"));
    ASSERT_TRUE(Ip("link set va up") && Ip("link set vb up"));
  }
  void TearDown() override {
    if (if_nametoindex("va") != 0) Ip("link del va");
  }
};

TEST_F(HostNetworkTest, ReadsAddressesOfAllInterfaces) {
  ASSERT_TRUE(Ip("addr add 198.18.0.1/24 dev va") && Ip("addr add 198.18.0.2/24 dev va"));
  ASSERT_TRUE(Ip("addr add 2001:db8::1/64 dev vb nodad"));
  const std::vector<IpBytes> addresses = ReadHostAddresses().value();
  for (const char* expected : {"127.0.0.1:1", "[::1]:1", "198.18.0.1:1", "198.18.0.2:1", "[2001:db8::1]:1"}) {
    EXPECT_THAT(addresses, Contains(IpOf(expected))) << expected;
  }
  EXPECT_THAT(addresses, testing::Not(Contains(IpOf("198.18.0.255:1"))));
  EXPECT_TRUE(std::ranges::is_sorted(addresses));
}

TEST_F(HostNetworkTest, ReadsUsableNeighboursOfAPort) {
  ASSERT_TRUE(Ip("neigh add 198.18.0.1 lladdr 02:00:00:00:00:01 dev va nud permanent"));
  ASSERT_TRUE(Ip("neigh add 2001:db8::2 lladdr 02:00:00:00:00:02 dev va nud stale"));
  ASSERT_TRUE(Ip("neigh add 198.18.0.3 lladdr 02:00:00:00:00:03 dev va nud noarp"));
  // Not these: no unicast MAC address, not usable, another interface.
  ASSERT_TRUE(Ip("neigh add 198.18.0.4 lladdr 01:00:5e:00:00:04 dev va nud permanent"));
  ASSERT_TRUE(Ip("neigh add 198.18.0.5 lladdr ff:ff:ff:ff:ff:ff dev va nud permanent"));
  ASSERT_TRUE(Ip("neigh add 198.18.0.6 lladdr 00:00:00:00:00:00 dev va nud permanent"));
  ASSERT_TRUE(Ip("neigh add 198.18.0.7 lladdr 02:00:00:00:00:07 dev va nud failed"));
  ASSERT_TRUE(Ip("neigh add 198.18.0.8 lladdr 02:00:00:00:00:08 dev vb nud permanent"));
  EXPECT_THAT(Neighbours("va", 4), UnorderedElementsAre(Link{.port = 4, .vlan = 0, .mac = {2, 0, 0, 0, 0, 1}},
                                                        Link{.port = 4, .vlan = 0, .mac = {2, 0, 0, 0, 0, 2}},
                                                        Link{.port = 4, .vlan = 0, .mac = {2, 0, 0, 0, 0, 3}}));
  EXPECT_THAT(Neighbours("vb", 5), ElementsAre(Link{.port = 5, .vlan = 0, .mac = {2, 0, 0, 0, 0, 8}}));
  EXPECT_THAT(Neighbours("no such", 6), IsEmpty());
  EXPECT_THAT(ReadNeighbours({}).value(), IsEmpty());
}

// Against the kernel where it has VLANs; NeighbourReaderTest has the cases.
TEST_F(HostNetworkTest, ReadsNeighboursOfAPortsVlans) {
  if (!Ip("link add link va name va.7 type vlan id 7")) GTEST_SKIP() << "this kernel has no VLANs";
  ASSERT_TRUE(Ip("link set va.7 up"));
  ASSERT_TRUE(Ip("neigh add 198.18.7.1 lladdr 02:00:00:00:07:01 dev va.7 nud reachable"));
  EXPECT_THAT(Neighbours("va", 4), ElementsAre(Link{.port = 4, .vlan = 7, .mac = {2, 0, 0, 0, 7, 1}}));
}

TEST_F(HostNetworkTest, ReadsATableOfManyDatagrams) {
  constexpr int kCount = 600;
  const std::string batch = testing::TempDir() + "neighbours." + std::to_string(getpid());
  std::ofstream file(batch);
  for (int i = 0; i < kCount; ++i) {
    file << "neigh add 198.18." << i / 250 << "." << i % 250 << " lladdr 02:00:00:00:" << std::hex << i / 250 << ":"
         << i % 250 << std::dec << " dev va nud permanent\n";
  }
  file.close();
  ASSERT_TRUE(Ip("-batch " + batch));
  std::remove(batch.c_str());
  std::vector<Link> links = Neighbours("va", 1);
  EXPECT_EQ(links.size(), size_t{kCount});
  const NeighbourSet set(std::move(links));
  for (int i = 0; i < kCount; ++i) {
    const Mac mac = {2, 0, 0, 0, static_cast<uint8_t>(i / 250), static_cast<uint8_t>(i % 250)};
    EXPECT_TRUE(set.Contains({.port = 1, .vlan = 0, .mac = mac}));
  }
}

}  // namespace
}  // namespace relay
