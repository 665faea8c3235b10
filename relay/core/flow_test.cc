// Flows beside the bindings that they are made of: both say the same, of whatever source.
#include "relay/core/flow.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "relay/core/endpoint_table.h"
#include "relay/core/relay_server.h"

namespace relay {
namespace {

constexpr Instant kArrival{std::chrono::hours(1)};

Ipv4Path Ipv4Of(const Path& path) { return Ipv4Path::Of(PathWords::Of(path)); }
bool Fits(const Path& path) { return Ipv4Path::Fits(PathWords::Of(path)); }

Path UsualPath() {
  Path path;
  path.remote = AddrPort::FromIpv4({198, 18, 0, 1}, 1001);
  path.local_ip = AddrPort::FromIpv4({198, 18, 255, 1}, 0).ip;
  path.local_port = 40000;
  path.link = {.port = 3, .vlan = 0, .mac = {2, 4, 6, 8, 10, 12}};
  return path;
}

TEST(Ipv4PathTest, IsThePathAgain) {
  const Path path = UsualPath();
  ASSERT_TRUE(Fits(path));
  Path again;
  Ipv4Of(path).Store(again);
  EXPECT_EQ(again, path);
  EXPECT_EQ(Ipv4Of(path).link_port(), 3);
}

TEST(Ipv4PathTest, FitsIpv4WithoutATagAlone) {
  Path path = UsualPath();
  path.remote = *AddrPort::Parse("[2001:db8::1]:1");
  EXPECT_FALSE(Fits(path));
  path = UsualPath();
  path.local_ip = path.remote.ip = AddrPort::Parse("[2001:db8::1]:1")->ip;
  EXPECT_FALSE(Fits(path));
  path = UsualPath();
  path.local_ip = {};
  EXPECT_FALSE(Fits(path));
  path = UsualPath();
  path.link.vlan = 5;
  EXPECT_FALSE(Fits(path));
  path = UsualPath();
  path.remote.scope = 2;
  EXPECT_FALSE(Fits(path));
}

TEST(SlotTest, NamesTheRecord) {
  EXPECT_TRUE(Slot().IsEmpty());
  for (const uint32_t index : {0u, 1u, geneve::kMaxVni - 2, geneve::kMaxVni - 1}) {
    const Slot slot = Slot::OfRecord(index);
    EXPECT_FALSE(slot.IsEmpty());
    EXPECT_EQ(slot.index(), index);
    EXPECT_TRUE(slot.reads_bindings());
    const Slot with = slot.With(5, 6, false);
    EXPECT_EQ(with.index(), index);
    EXPECT_FALSE(with.reads_bindings());
    EXPECT_EQ(with.With(5, 6, true).index(), index);
  }
}

TEST(SlotTest, TellsTheTwoSourcesApart) {
  std::mt19937_64 random(1);
  Slot slot = Slot::OfRecord(7);
  for (int i = 0; i < 100'000; ++i) {
    const uint64_t first = random();
    const uint64_t second = i % 2 == 0 ? random() : first ^ uint64_t { 1 } << random() % 64;
    slot = slot.With(first, second, i % 3 == 0);
    ASSERT_EQ(slot.LegOf(first), 0u);
    ASSERT_EQ(slot.LegOf(second), 1u);
  }
  slot = slot.With(~uint64_t{0}, ~uint64_t{0}, true);
  EXPECT_EQ(slot.LegOf(~uint64_t{0}), 0u) << "one source is the first leg";
}

TEST(SourceWordTest, IsOneOfAnIpv4Source) {
  std::mt19937 random(1);
  for (int i = 0; i < 1000; ++i) {
    const auto ip = static_cast<uint32_t>(random());
    std::array<uint8_t, 4> bytes;
    std::memcpy(bytes.data(), &ip, sizeof(ip));
    const auto port = static_cast<uint16_t>(random());
    ASSERT_EQ(SourceWord(AddrPort::FromIpv4(bytes, port)), SourceWord(ip, port));
  }
}

// One endpoint whose legs move about, and what its bindings say of each packet.
class FlowTest : public testing::Test {
 protected:
  FlowTest() {
    worker_.counters = &counters_;
    qsbr_.Register(0);
    qsbr_.Online(0);
    disco::InitCrypto();
    for (uint32_t i = 0; i < 3; ++i) vnis_.push_back(*table_.Insert({}, kArrival));
  }
  ~FlowTest() override {
    qsbr_.Offline(0);
    qsbr_.Unregister(0);
  }
  unsigned Below(unsigned end) { return random_() % end; }

  // Few of each, so that they meet.
  Path AnyPath() {
    Path path = UsualPath();
    static const std::vector<AddrPort> kRemotes = {
        AddrPort::FromIpv4({198, 18, 0, 1}, 1001), AddrPort::FromIpv4({198, 18, 0, 1}, 1002),
        AddrPort::FromIpv4({198, 18, 0, 2}, 1001), AddrPort::FromIpv4({198, 18, 0, 2}, 1002),
        *AddrPort::Parse("[2001:db8::1]:1001"),    *AddrPort::Parse("[2001:db8::2]:1001")};
    path.remote = kRemotes[Below(static_cast<unsigned>(kRemotes.size()))];
    if (!path.remote.IsIpv4()) path.local_ip = AddrPort::Parse("[2001:db8::9]:1")->ip;
    path.local_ip[15] = static_cast<uint8_t>(Below(2));
    path.local_port = static_cast<uint16_t>(40000 + Below(2));
    path.link.port = static_cast<uint16_t>(Below(3));
    path.link.vlan = static_cast<uint16_t>(Below(4) == 0 ? 5 : 0);
    path.link.mac[Below(6)] ^= static_cast<uint8_t>(Below(2));
    if (path.link.port == 0) path.link = {};
    if (!path.remote.IsIpv4()) path.interface = Below(2);
    return path;
  }
  // As the header of DESIGN's data path has it: the first leg whose source it is, to the other one.
  struct Expected {
    bool forward = false;
    Path to;
    bool other_mac = false;
    size_t leg = 0;
  };
  Expected Expect(const Endpoint& endpoint, const Path& from) const {
    std::array<Path, 2> at;
    if (!endpoint.binding[0].Load(at[0]) || !endpoint.binding[1].Load(at[1])) return {};
    for (size_t leg = 0; leg < 2; ++leg) {
      if (at[leg].remote != from.remote) continue;
      const Link& bound = at[leg].link;
      const bool same_wire = bound.port == from.link.port && bound.vlan == from.link.vlan;
      return {true, at[1 - leg], same_wire && bound.mac != from.link.mac && bound.port != 0, leg};
    }
    return {};
  }

  Qsbr qsbr_{1};
  EndpointTable table_{4, qsbr_};
  RelayServer server_{table_, disco::PrivateKey::Generate().public_key(), ServerCrypto::Production(), {}};
  Counters counters_;
  WorkerContext worker_;
  std::vector<uint32_t> vnis_;
  std::mt19937 random_{3};
};

TEST_F(FlowTest, SaysWhatTheBindingsSay) {
  Instant now = kArrival;
  uint64_t by_flow = 0;
  uint64_t not_by_flow = 0;
  std::vector<std::array<uint64_t, 2>> packets(vnis_.size());
  for (int step = 0; step < 200'000; ++step) {
    const size_t which = Below(static_cast<unsigned>(vnis_.size()));
    Endpoint& endpoint = *table_.Find(vnis_[which]);
    if (Below(8) == 0) table_.Bind(endpoint, Below(2), Below(16) == 0 ? Path{} : AnyPath());
    Path from = AnyPath();
    Path bound;
    if (Below(2) == 0 && endpoint.binding[Below(2)].Load(bound)) from.remote = bound.remote;
    const Expected expected = Expect(endpoint, from);
    now += kLastSeenStep;
    const std::array<int64_t, 2> seen = {endpoint.last_seen_ns(0), endpoint.last_seen_ns(1)};

    std::array<uint8_t, 12> packet{};
    geneve::Write({.vni = vnis_[which], .protocol = geneve::kProtocolWireGuard, .version = 0, .control = false},
                  std::span(packet).first<geneve::kHeaderSize>());
    Reply reply;
    worker_.id = static_cast<uint16_t>(Below(2));  // The first owns the legs, as it happens.
    const Verdict verdict = server_.HandlePacket(worker_, from, packet, now, reply);
    ASSERT_EQ(verdict.action == Verdict::Action::kForward, expected.forward) << step;
    if (expected.forward) {
      ASSERT_EQ(verdict.to, expected.to);
      ASSERT_EQ(verdict.other_mac, expected.other_mac);
      ++packets[which][expected.leg];
    }
    for (size_t leg = 0; leg < 2; ++leg) {
      const bool heard = expected.forward && (leg == expected.leg || expected.to.remote == from.remote);
      ASSERT_EQ(endpoint.last_seen_ns(leg), heard ? std::max(seen[leg], ToNs(now) + kLastSeenStep.count()) : seen[leg]);
      ASSERT_EQ(endpoint.packets(leg), packets[which][leg]);
      ASSERT_EQ(endpoint.bytes(leg), packets[which][leg] * packet.size());
    }

    // In registers: where both ends fit, and are two, nothing is left to the bindings.
    const Sender sender = table_.FindSender(vnis_[which], SourceWord(from.remote));
    ASSERT_EQ(sender.endpoint, &endpoint);
    Ipv4Path to;
    bool other_mac = false;
    const bool in_flow =
        Fits(from) && RelayServer::ForwardIpv4(worker_, sender, Ipv4Of(from), 12, 1, kArrival, to, other_mac);
    Path at;
    const bool must = expected.forward && Fits(from) && Fits(expected.to) && endpoint.binding[expected.leg].Load(at) &&
                      Fits(at) && at.remote != expected.to.remote;
    ASSERT_EQ(in_flow, must);
    if (in_flow) {
      ++packets[which][expected.leg];
      ++by_flow;
      ASSERT_EQ(sender.leg, expected.leg);
      Path path;
      to.Store(path);
      ASSERT_EQ(path, expected.to);
      ASSERT_EQ(other_mac, expected.other_mac);
    } else {
      ++not_by_flow;
    }
  }
  EXPECT_GT(by_flow, 10'000u);
  EXPECT_GT(not_by_flow, 20'000u);
}

TEST_F(FlowTest, AnUnboundEndpointForwardsNothing) {
  const Sender sender = table_.FindSender(vnis_[0], SourceWord(0, 0));
  Ipv4Path to;
  bool other_mac = false;
  EXPECT_FALSE(RelayServer::ForwardIpv4(worker_, sender, Ipv4Path{}, 12, 1, kArrival, to, other_mac));
  EXPECT_EQ(sender.endpoint->packets(sender.leg), 0u);
}

}  // namespace
}  // namespace relay
