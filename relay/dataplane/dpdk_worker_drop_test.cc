// What a worker does not pass on, a row a reason; and what it answers.
#include <gmock/gmock.h>

#include <set>
#include <string>

#include "disco/packet.h"
#include "relay/dataplane/dpdk_worker_fixture.h"

namespace relay {
namespace {

using disco::MessageType;
using test::Build;
using test::PacketRow;
using test::SentFrame;
using test::WorkerWorld;

class WorkerDropTest : public WorkerTest {
 protected:
  template <typename F>
  static PacketRow With(PacketRow row, F change) {
    change(row);
    return row;
  }
  static PacketRow Carrying(PacketRow row, Bytes payload) {
    row.payload = std::move(payload);
    return row;
  }
};

TEST_F(WorkerDropTest, MalformedFrames) {
  UseStarted();
  const PacketRow v4 = Data(Row4());
  const PacketRow v6 = Data(Row6());
  using R = PacketRow;
  const std::vector<std::pair<PacketRow, DropReason>> rows = {
      {With(v4, [](R& r) { r.version = 6; }), DropReason::kBadIpHeader},
      {With(v4, [](R& r) { r.header_words = 4; }), DropReason::kBadIpHeader},
      {With(Data(Row4(), 4), [](R& r) { r.header_words = 15; }), DropReason::kBadIpHeader},
      {With(v4, [](R& r) { r.ip_length = 19; }), DropReason::kBadIpHeader},
      {With(v4, [](R& r) { r.ip_length = 1500; }), DropReason::kBadIpHeader},
      {With(v4, [](R& r) { r.cut_to = 33; }), DropReason::kBadIpHeader},
      {With(v4, [](R& r) { r.ip_checksum = 0xdead; }), DropReason::kBadIpChecksum},
      {With(v4, [](R& r) { r.udp_length = 7; }), DropReason::kBadUdpLength},
      {With(v4, [](R& r) { r.udp_length = 0; }), DropReason::kBadUdpLength},
      {With(v4, [](R& r) { r.udp_length = 49; }), DropReason::kBadUdpLength},
      {With(v4, [](R& r) { r.ip_length = 27; }), DropReason::kBadUdpLength},
      {With(v4, [](R& r) { r.fragment = test::FragmentOf{.offset = 0, .size = 24}; }), DropReason::kFragment},
      {With(v4, [](R& r) { r.fragment = test::FragmentOf{.offset = 24, .size = 24, .more = false}; }),
       DropReason::kFragment},
      {With(v6, [](R& r) { r.version = 4; }), DropReason::kBadIpHeader},
      {With(v6, [](R& r) { r.ip_length = 1500; }), DropReason::kBadIpHeader},
      {With(v6, [](R& r) { r.cut_to = 53; }), DropReason::kBadIpHeader},
      {With(v6, [](R& r) { r.udp_length = 5; }), DropReason::kBadUdpLength},
      {With(v6, [](R& r) { r.udp_length = 500; }), DropReason::kBadUdpLength},
      {With(v6, [](R& r) { r.ip_length = 7; }), DropReason::kBadUdpLength},
      {With(v6, [](R& r) { r.udp_checksum = 0; }), DropReason::kZeroChecksum},
      {With(v6, [](R& r) { r.fragment = test::FragmentOf{.offset = 0, .size = 24}; }), DropReason::kFragment},
      // Nobody's, and there is no way to the kernel.
      {With(v4, [](R& r) { r.protocol = 6; }), DropReason::kNotLocal},
      {With(v4, [](R& r) { r.to = "198.18.0.253:7777"; }), DropReason::kNotLocal},
      {With(v4, [](R& r) { r.to = "198.18.0.254:53"; }), DropReason::kNotLocal},
      {With(v4, [](R& r) { r.ether_type = 0x0806; }), DropReason::kNotLocal},
      {With(v4, [](R& r) { r.to_mac = test::kBroadcastMac; }), DropReason::kNotLocal},
      {With(v4, [](R& r) { r.from_mac[0] = 3; }), DropReason::kNotLocal},
      {With(v4, [](R& r) { r.outer_vlan = 7, r.vlan = 5; }), DropReason::kNotLocal},
      {With(v4, [](R& r) { r.cut_to = 13; }), DropReason::kNotLocal},
      {With(v4, [](R& r) { r.cut_to = 1; }), DropReason::kNotLocal},
      {With(v6, [](R& r) { r.options = {17, 0, 1, 4, 0, 0, 0, 0}; }), DropReason::kNotLocal},
      // Datagrams.
      {Carrying(Row4(), {}), DropReason::kBadGeneve},
      {Carrying(Row6(), {}), DropReason::kBadGeneve},
      {Carrying(Row4(), Bytes(7)), DropReason::kBadGeneve},
      {Carrying(Row4(), {0x40, 0, 0x7a, 0x12, 0, 0, 1, 0}), DropReason::kUnknownVersion},
      {Carrying(Row4(), {0, 0x80, 0x7a, 0x12, 0, 0, 1, 0}), DropReason::kControlNotDisco},
      {Carrying(Row4(), {0, 0x80, 0x7a, 0x11, 0, 0, 1, 0}), DropReason::kShort},
      {Carrying(Row4(), Bytes(70, 0)), DropReason::kUnknownVni},
      {Carrying(Row4(), test::GeneveData(2, 8)), DropReason::kUnknownVni},
      {With(v4, [](R& r) { r.from = "198.18.0.9:1001"; }), DropReason::kUnknownSource},
      {With(v6, [](R& r) { r.from = "[2001:db8::2]:1001"; }), DropReason::kUnknownSource},
      {With(v4, [](R& r) { r.from = "224.0.0.1:1001"; }), DropReason::kRefusedSource},
      {With(v4, [](R& r) { r.from = "198.18.0.1:0"; }), DropReason::kRefusedSource},
  };
  for (size_t i = 0; i < rows.size(); ++i) {
    SCOPED_TRACE(i);
    ExpectDrop(Build(rows[i].first), rows[i].second);
  }
  ExpectDrop({}, DropReason::kNotLocal);
  EXPECT_EQ(world_->Count().dropped, rows.size() + 1);
  EXPECT_EQ(world_->workers[0]->counters.fragments.Get(), 3u);
}

TEST_F(WorkerDropTest, ControlMessages) {
  WorkerWorld& relay = UseStarted();
  const auto control = [&](Bytes payload, DropReason reason, PacketRow row = Row4()) {
    ExpectDrop(Build(Carrying(std::move(row), std::move(payload))), reason);
  };
  const auto bind = [&](MessageType type, auto change) {
    disco::BindCommon common = relay.BindOf(0, 9);
    change(common);
    return relay.SealedBind(0, type, common);
  };
  const Bytes good = bind(MessageType::kBindUdpRelayEndpoint, [](auto&) {});
  const auto changed = [&](size_t at) {
    Bytes bytes = good;
    bytes[at] ^= 1;
    return bytes;
  };
  control(changed(8), DropReason::kBadMagic);
  control(changed(6), DropReason::kUnknownVni);
  control(changed(20), DropReason::kUnknownDiscoKey);
  control(changed(100), DropReason::kOpenFailed);
  control(good, DropReason::kRefusedSource, With(Row4(), [](PacketRow& r) { r.from = "255.255.255.255:9"; }));
  control(relay.Sealed(0, Bytes(1, 4)), DropReason::kBadMessage);
  control(relay.Sealed(0, Bytes(50, 4)), DropReason::kBadMessage);
  control(relay.Sealed(0, Bytes(74, 1)), DropReason::kBadMessage);
  control(bind(MessageType::kBindUdpRelayEndpoint, [](auto& b) { b.vni = 2; }), DropReason::kVniMismatch);
  control(bind(MessageType::kBindUdpRelayEndpoint, [](auto& b) { b.remote_key = {}; }), DropReason::kRemoteKeyMismatch);
  control(bind(MessageType::kBindUdpRelayEndpoint, [](auto& b) { b.generation = 0; }), DropReason::kGenerationZero);
  control(bind(MessageType::kBindUdpRelayEndpointAnswer, [](auto&) {}), DropReason::kStaleGeneration);
  EXPECT_EQ(Exchange(Carrying(Row4(), good)).size(), 1u);
  control(bind(MessageType::kBindUdpRelayEndpointAnswer, [](auto&) {}), DropReason::kMacMismatch);
  // A leg has 40 tokens and no more, but for those that come back while this runs.
  for (int i = 0; i < 200 && relay.Count().Of(DropReason::kControlRateLimited) == 0; ++i)
    Exchange(Carrying(Row4(), good));
  EXPECT_GT(relay.Count().Of(DropReason::kControlRateLimited), 0u);
  EXPECT_GT(relay.Count().answered, 1u);
}

TEST_F(WorkerDropTest, UnboundLegsAndPortsThatAreGone) {
  WorkerWorld& relay = UseStarted();
  Path gone = relay.PathOf(Row6());
  gone.link.port = 200;
  relay.Bind(relay.PathOf(Row4()), gone);
  ExpectDrop(Build(Data(Row4())), DropReason::kSendFailed);
  gone.link.port = 0;  // Bound by a kernel socket, and there is no way to the kernel.
  relay.Bind(relay.PathOf(Row4()), gone);
  ExpectDrop(Build(Data(Row4())), DropReason::kSendFailed);
  relay.Bind(relay.PathOf(Row4()), Path{});
  ExpectDrop(Build(Data(Row4())), DropReason::kNotBound);
}

TEST_F(WorkerDropTest, FramesWithoutHeadroom) {
  UseStarted();
  const Bytes frame = Build(Data(Row4()));
  for (const auto& [headroom, sent] : {std::pair<uint16_t, bool>{20, true}, {19, false}}) {
    rte_mbuf* const m = Left().Make({});
    m->data_off = headroom;
    std::ranges::copy(frame, reinterpret_cast<uint8_t*>(rte_pktmbuf_append(m, static_cast<uint16_t>(frame.size()))));
    Left().Put(m);
    EXPECT_EQ(world_->Poll(), 1u);
    EXPECT_EQ(Left().Take().size(), sent ? 1u : 0u);
  }
  EXPECT_EQ(world_->Count().Of(DropReason::kNoMbuf), 1u);
}

// By the client's own state machine, with every byte of the answers checked.
TEST_F(WorkerDropTest, HandshakesAreAnswered) {
  WorkerWorld& relay = UseStarted();
  relay.Bind(Path{}, Path{});
  PacketRow tagged = Row6();
  tagged.vlan = 0x6005;
  for (const auto& [client, row] : {std::pair<size_t, PacketRow>{0, Row4()}, {1, tagged}}) {
    SCOPED_TRACE(client);
    disco::ClientHandshake handshake = relay.Handshake(client);
    PacketRow bind = Carrying(row, handshake.Start(std::chrono::steady_clock::now()));
    bind.traffic_class = 0xff;
    bind.padding = 7;
    if (client == 0) bind.options = Bytes(12, 1);
    const Path to = relay.PathOf(row);
    const std::vector<SentFrame> out = Exchange(bind);
    ASSERT_EQ(out.size(), 1u);
    const test::Seen seen = test::Inspect(out[0].bytes);
    PacketRow as_sent = Carrying(row, seen.payload);
    ExpectForwarded(out[0], as_sent, to, relay.ports[0]);
    EXPECT_EQ(seen.udp_error, 0);
    EXPECT_NE(seen.udp_checksum, 0);
    EXPECT_LE(seen.payload.size(), bind.payload.size());
    const auto answer = handshake.HandlePacket(seen.payload);
    ASSERT_TRUE(answer.has_value());
    EXPECT_TRUE(Exchange(Carrying(row, *answer)).empty());
    EXPECT_EQ(relay.Count().accepted, client + 1);
    Path bound;
    ASSERT_TRUE(relay.table.Find(1)->binding[client].Load(bound));
    EXPECT_EQ(bound, to);
  }
  EXPECT_EQ(relay.Count().answered, 2u);
  EXPECT_EQ(Exchange(Data(Row4())).size(), 1u);
}

// Clients send the answer and a ping directly behind it: one burst.
TEST_F(WorkerDropTest, DataBehindAnAnswerFindsTheLegBound) {
  WorkerWorld& relay = UseStarted();
  relay.Bind(Path{}, relay.PathOf(Row6()));
  disco::ClientHandshake handshake = relay.Handshake(0);
  const auto challenge = Exchange(Carrying(Row4(), handshake.Start(std::chrono::steady_clock::now())));
  ASSERT_EQ(challenge.size(), 1u);
  const auto answer = handshake.HandlePacket(test::Inspect(challenge[0].bytes).payload);
  ASSERT_TRUE(answer.has_value());
  Left().Put(Build(Data(Row4())));
  Left().Put(Build(Carrying(Row4(), *answer)));
  Left().Put(Build(Data(Row4())));
  EXPECT_EQ(relay.Poll(), 3u);
  EXPECT_EQ(Left().Take().size(), 1u);
  EXPECT_EQ(relay.Count().Of(DropReason::kNotBound), 1u);
}

TEST_F(WorkerDropTest, TooBigIsAnsweredAtABoundedRate) {
  WorkerWorld& relay = UseStarted();
  PacketRow other4 = Row4();
  other4.from = "198.18.0.2:1003";
  const auto icmp = [&](const PacketRow& row, uint32_t mtu) {
    const std::vector<SentFrame> out = Exchange(row);
    ASSERT_EQ(out.size(), 1u);
    const test::Seen seen = test::Inspect(out[0].bytes);
    ASSERT_EQ(seen.error, "");
    EXPECT_EQ(seen.protocol, seen.ipv4 ? 1 : 58);
    EXPECT_EQ(seen.icmp_error, 0);
    EXPECT_EQ(seen.to_mac, row.from_mac);
    EXPECT_EQ(seen.vlan, row.vlan);
    EXPECT_EQ(seen.to.ip, test::AddrOf(row.from).ip);
    EXPECT_EQ(seen.from.ip, test::AddrOf(row.to).ip);
    EXPECT_EQ(seen.ip_payload[0], seen.ipv4 ? 3 : 2);
    EXPECT_EQ(uint32_t{seen.ip_payload[6]} << 8 | seen.ip_payload[7], mtu);
    EXPECT_TRUE(
        std::equal(seen.ip_payload.begin() + 8, seen.ip_payload.end(), Build(row).begin() + (row.vlan ? 18 : 14)));
  };
  icmp(Data(Row4(), 1500 - 40 - 8 - 8 + 1), 1480);
  relay.Bind(relay.PathOf(Row4()), relay.PathOf(other4));
  EXPECT_EQ(Exchange(Data(Row4(), 1500 - 20 - 8 - 8)).size(), 1u);
  icmp(Data(Row4(), 1500 - 20 - 8 - 8 + 1), 1500);
  PacketRow tagged = Row6();
  tagged.vlan = 5;
  relay.Bind(relay.PathOf(Row4()), relay.PathOf(tagged));
  icmp(Data(tagged, 1500 - 20 - 8 - 8 + 1), 1520);
  EXPECT_EQ(relay.workers[0]->counters.icmp_too_big.Get(), 3u);
  EXPECT_EQ(relay.Count().Of(DropReason::kTooBig), 3u);

  // A flood: 100 at once, and what comes back while this runs.
  const Bytes large = Build(Data(tagged, 1480));
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 400; ++i) {
    Left().Put(large);
    if (i % 32 == 31) relay.Poll();
  }
  while (relay.Poll() != 0) {
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  const size_t answers = Left().Take().size();
  EXPECT_GE(answers, 97u);
  EXPECT_LE(static_cast<double>(answers), 101 + took.count() * 100);
  EXPECT_EQ(relay.workers[0]->counters.icmp_too_big.Get(), 3 + answers);
  EXPECT_EQ(relay.Count().Of(DropReason::kTooBig), 403u);
}

}  // namespace
}  // namespace relay
