// Two workers get the same frames; one goes straight through where it can (usual_frame.h), the other is kept from it.
// What they send and count is the same.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "tests/support/frame_checker.h"
#include "tests/support/worker_world.h"

namespace relay {
namespace {

using test::Bytes;
using test::PacketRow;
using test::RingPort;
using test::WorkerWorld;

constexpr char kPeer4[] = "198.18.0.2:1002";
constexpr char kStranger[] = "198.18.0.3:1003";

// What is parsed and pulled into the first mbuf of several: a frame that is cut behind it stays in several.
constexpr size_t kPulledUp = kMaxHeaderBytes + geneve::kHeaderSize;

// A worker of its own world, with two ports; both have the same MAC addresses in each world.
class Twin {
 public:
  Twin(RingPort& left, RingPort& right, UdpChecksum checksum) : rings_{&left, &right}, world_({&left, &right}) {
    for (size_t i = 0; i < rings_.size(); ++i) {
      world_.ports[i].mac = test::kRelayMac;
      world_.ports[i].mac[5] = static_cast<uint8_t>(0x10 + i);
      world_.ports[i].udp_checksum = checksum;
    }
    world_.ports[1].mtu = 200;
    world_.Bind(world_.PathOf({}), world_.PathOf({.from = kPeer4}));
    world_.Start();
  }

  WorkerWorld& world() { return world_; }
  void Put(size_t port, const Bytes& frame) { rings_[port]->Put(frame); }
  void PutInTwo(size_t port, const Bytes& frame) {
    const std::array<size_t, 1> cut = {kPulledUp + 1};
    if (frame.size() <= cut[0]) return Put(port, frame);
    rings_[port]->Put(frame, cut);
  }
  // Relays all that was put. What has left by each port, but for ICMP: that quotes what was in the first mbuf, at a
  // rate that time bounds.
  std::array<std::vector<Bytes>, 2> Relay() {
    while (world_.Poll() != 0) {
    }
    std::array<std::vector<Bytes>, 2> out;
    for (size_t i = 0; i < rings_.size(); ++i) {
      for (test::SentFrame& sent : rings_[i]->Take()) {
        const test::Seen seen = test::Inspect(sent.bytes);
        EXPECT_EQ(seen.error, "");
        if (seen.protocol == 17) out[i].push_back(std::move(sent.bytes));
      }
    }
    return out;
  }
  std::vector<uint64_t> Counted() const {
    const Counters& counters = world_.workers[0]->counters;
    std::vector<uint64_t> all = {counters.received.Get(),  counters.answered.Get(),     counters.accepted.Get(),
                                 counters.to_kernel.Get(), counters.link_refused.Get(), counters.fragments.Get()};
    for (size_t i = 0; i < 4; ++i) {
      all.push_back(counters.forwarded_packets[i / 2][i % 2].Get());
      all.push_back(counters.forwarded_bytes[i / 2][i % 2].Get());
    }
    for (const Counter& reason : counters.dropped) all.push_back(reason.Get());
    for (const size_t leg : {0u, 1u}) {
      all.push_back(world_.table.Find(1)->packets(leg));
      all.push_back(world_.table.Find(1)->bytes(leg));
    }
    return all;
  }
  test::Ledger Count() const { return world_.Count(); }
  bool AllBuffersAreBack() const { return rings_[0]->InUse() == 0 && rings_[1]->InUse() == 0; }

 private:
  std::array<RingPort*, 2> rings_;
  WorkerWorld world_;
};

class WorkerUsualTest : public testing::TestWithParam<UdpChecksum> {
 protected:
  static RingPort& Ring(const std::string& name) {
    static std::map<std::string, std::unique_ptr<RingPort>> rings;
    std::unique_ptr<RingPort>& ring = rings[name];
    if (ring == nullptr) ring = std::make_unique<RingPort>(name, 512, 512);
    return *ring;
  }
  unsigned Below(unsigned end) { return random_() % end; }

  PacketRow RandomRow() {
    PacketRow row;
    const char* const sources[] = {test::kClient4, test::kClient4, kPeer4, kStranger, test::kClient6};
    row.from = sources[Below(5)];
    if (row.from == test::kClient6) row.to = test::kRelay6;
    row.payload = test::GeneveData(Below(16) == 0 ? 2 : 1, Below(4) == 0 ? Below(240) : 40 + Below(60));
    if (Below(16) == 0) row.payload[0] = static_cast<uint8_t>(random_());  // Version.
    if (Below(16) == 0) row.payload[1] |= 0x80;                            // Control.
    if (Below(32) == 0) row.payload.resize(Below(8));
    row.traffic_class = static_cast<uint8_t>(random_());
    row.udp_checksum_error = static_cast<uint16_t>(Below(4) == 0 ? random_() : 0);
    if (Below(16) == 0) row.udp_checksum = 0;
    if (Below(16) == 0) row.vlan = static_cast<uint16_t>(5 + Below(2));
    if (Below(16) == 0) row.from_mac[5] = 0x44;
    if (Below(16) == 0) row.fragment = test::FragmentOf{.offset = 0, .size = 16, .more = true, .id = 1};
    row.padding = Below(4) == 0 ? Below(30) : 0;
    return row;
  }
  // Where the second leg is, in both worlds.
  void MoveSecondLeg() {
    PacketRow row{.from = kPeer4};
    size_t port = 0;
    Path path;
    const unsigned kind = Below(8);
    if (kind == 1) port = 1;
    if (kind == 2) row.vlan = 5;
    if (kind == 3) row = {.from = test::kClient6, .to = test::kRelay6};
    if (kind == 4) row.from = test::kClient4;  // As the first.
    for (Twin* twin : {straight_.get(), general_.get()}) {
      path = twin->world().PathOf(row, static_cast<uint16_t>(port));
      if (kind == 5) path.link.port = 0;    // Bound by a kernel socket.
      if (kind == 6) path.link.port = 250;  // No such port.
      if (kind == 7) path = Path{};         // Not bound.
      EndpointTable& table = twin->world().table;
      table.Bind(*table.Find(1), 1, path);
    }
  }

  std::unique_ptr<Twin> straight_;
  std::unique_ptr<Twin> general_;
  std::mt19937 random_{5};
};

TEST_P(WorkerUsualTest, SendsAndCountsTheSame) {
  straight_ = std::make_unique<Twin>(Ring("straight_0"), Ring("straight_1"), GetParam());
  general_ = std::make_unique<Twin>(Ring("general_0"), Ring("general_1"), GetParam());
  // Of nobody's VNI: what counts is that our address of one family or the other is the last one found.
  const Bytes ipv4 = test::Build({.payload = test::GeneveData(9, 20)});
  const Bytes ipv6 = test::Build({.from = test::kClient6, .to = test::kRelay6, .payload = test::GeneveData(9, 20)});
  for (int step = 0; step < 2'000; ++step) {
    SCOPED_TRACE(step);
    MoveSecondLeg();
    const size_t port = Below(2);
    const unsigned frames = 1 + Below(40);
    straight_->Put(port, ipv4);
    for (unsigned i = 0; i < frames; ++i) {
      const Bytes frame = test::Build(RandomRow());
      straight_->Put(port, frame);
      general_->Put(port, ipv6);
      general_->PutInTwo(port, frame);
    }
    for (unsigned i = 0; i < frames; ++i) straight_->Put(port, ipv6);
    general_->Put(port, ipv4);
    ASSERT_EQ(straight_->Relay(), general_->Relay());
    ASSERT_EQ(straight_->Counted(), general_->Counted());
  }
  for (const Twin* twin : {straight_.get(), general_.get()}) {
    EXPECT_TRUE(twin->Count().Balances());
    EXPECT_TRUE(twin->AllBuffersAreBack());
  }
  const test::Ledger ledger = straight_->Count();
  EXPECT_GT(ledger.forwarded, 5'000u);
  for (const DropReason reason : {DropReason::kTooBig, DropReason::kNotBound, DropReason::kUnknownVni,
                                  DropReason::kUnknownSource, DropReason::kSendFailed, DropReason::kFragment}) {
    EXPECT_GT(ledger.Of(reason), 100u) << DropReasonName(reason);
  }
}

INSTANTIATE_TEST_SUITE_P(, WorkerUsualTest, testing::Values(UdpChecksum::kUpdate, UdpChecksum::kCompute),
                         [](const auto& test) { return test.param == UdpChecksum::kUpdate ? "Update" : "Compute"; });

}  // namespace
}  // namespace relay
