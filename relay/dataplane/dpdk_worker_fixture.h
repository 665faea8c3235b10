// A worker between ring ports. Whatever a test does, at its end every frame has had one end, and every buffer is back.
#ifndef RELAYD_RELAY_DATAPLANE_DPDK_WORKER_FIXTURE_H_
#define RELAYD_RELAY_DATAPLANE_DPDK_WORKER_FIXTURE_H_

#include <gtest/gtest.h>
#include <rte_mbuf.h>

#include <memory>
#include <utility>
#include <vector>

#include "tests/support/frame_checker.h"
#include "tests/support/worker_world.h"

namespace relay {

class WorkerTest : public testing::Test {
 protected:
  using Bytes = test::Bytes;
  using PacketRow = test::PacketRow;

  static test::RingPort& Left() {
    static test::RingPort port("left", 512, 512);
    return port;
  }
  static test::RingPort& Right() {
    static test::RingPort port("right", 512, 512);
    return port;
  }
  static constexpr size_t kNarrow = 31;  // What its transmit ring holds.
  static test::RingPort& Narrow() {
    static test::RingPort port("narrow", 1024, kNarrow + 1);
    return port;
  }
  static PacketRow Row4() { return {}; }
  static PacketRow Row6() {
    PacketRow row;
    row.from = test::kClient6;
    row.to = test::kRelay6;
    return row;
  }
  // Data of VNI 1, `bytes` behind the Geneve header.
  static PacketRow Data(PacketRow row, size_t bytes = 32) {
    row.payload = test::GeneveData(1, bytes);
    return row;
  }

  // A world whose client 0 is at Row4 and client 1 at Row6, both by the first port, bound; not started.
  test::WorkerWorld& Use(std::vector<test::RingPort*> rings, uint32_t workers = 1) {
    rings_ = std::move(rings);
    world_ = std::make_unique<test::WorkerWorld>(rings_, workers);
    world_->Bind(world_->PathOf(Row4()), world_->PathOf(Row6()));
    return *world_;
  }
  test::WorkerWorld& UseStarted(std::vector<test::RingPort*> rings = {&Left()}, uint32_t workers = 1) {
    Use(std::move(rings), workers).Start();
    return *world_;
  }

  // One frame in by the first port; what leaves by it.
  std::vector<test::SentFrame> Exchange(std::span<const uint8_t> frame, std::span<const size_t> segments = {}) {
    rings_[0]->Put(frame, segments);
    EXPECT_EQ(world_->Poll(), 1u);
    return rings_[0]->Take();
  }
  std::vector<test::SentFrame> Exchange(const PacketRow& row) { return Exchange(test::Build(row)); }
  // One frame in, and dropped for this reason.
  void ExpectDrop(std::span<const uint8_t> frame, DropReason reason, std::span<const size_t> segments = {}) {
    const uint64_t before = world_->Count().Of(reason);
    EXPECT_TRUE(Exchange(frame, segments).empty());
    EXPECT_EQ(world_->Count().Of(reason), before + 1) << DropReasonName(reason);
  }

  // `sent` is what `row` became on its way to `to` by `port`, and right in every byte.
  static void ExpectForwarded(const test::SentFrame& sent, const PacketRow& row, const Path& to, const Port& port,
                              UdpChecksum checksum = UdpChecksum::kUpdate) {
    const test::Seen before = test::Inspect(test::Build(row));
    const test::Seen out = test::Inspect(sent.bytes);
    ASSERT_EQ(out.error, "");
    EXPECT_EQ(out.to_mac, to.link.mac);
    EXPECT_EQ(out.from_mac, port.mac);
    EXPECT_EQ(out.vlan.value_or(0), to.link.vlan);
    EXPECT_EQ(out.vlan.has_value(), to.link.vlan != 0);
    EXPECT_EQ(out.ipv4, to.IsIpv4());
    EXPECT_EQ(out.ip_header_bytes, to.IsIpv4() ? kIpv4Bytes : kIpv6Bytes);
    EXPECT_EQ(out.traffic_class, row.traffic_class & 3);
    EXPECT_EQ(out.ttl, 64);
    EXPECT_EQ(out.flow_label, 0u);
    EXPECT_EQ(out.flags_and_offset, to.IsIpv4() ? 0x4000 : 0);
    EXPECT_EQ(out.id, 0);
    EXPECT_EQ(out.from.ip, to.local_ip);
    EXPECT_EQ(out.from.port, to.local_port);
    EXPECT_EQ(out.to.ip, to.remote.ip);
    EXPECT_EQ(out.to.port, to.remote.port);
    EXPECT_EQ(out.padding, 0u);
    EXPECT_EQ(out.ip_payload.size(), out.udp_length);
    EXPECT_EQ(out.payload, row.payload);
    if (before.udp_checksum == 0) {
      EXPECT_EQ(out.udp_checksum != 0, !to.IsIpv4());
      EXPECT_EQ(out.udp_error, 0);
    } else {
      EXPECT_NE(out.udp_checksum, 0);
      EXPECT_EQ(out.udp_error, checksum == UdpChecksum::kCompute ? 0 : before.udp_error);
    }
  }

  void TearDown() override {
    if (world_ == nullptr) return;
    for (int quiet = 0; quiet < 3;) {
      uint32_t received = 0;
      for (size_t i = 0; i < world_->workers.size(); ++i) received += world_->Poll(i);
      quiet = received == 0 ? quiet + 1 : 0;
    }
    world_->Settle();
    if (world_->kernel_path) world_->kernel_path->Stop();
    const test::Ledger ledger = world_->Count();
    EXPECT_TRUE(ledger.Balances()) << ledger.received << " received, " << ledger.forwarded << " forwarded, "
                                   << ledger.answered << " answered, " << ledger.accepted << " accepted, "
                                   << ledger.to_kernel << " to the kernel, " << ledger.dropped << " dropped";
    world_->kernel_path.reset();
    world_.reset();
    for (const test::RingPort* ring : rings_) {
      ring->Take();
      EXPECT_EQ(ring->InUse(), 0u) << ring->port.name;
    }
  }

  std::vector<test::RingPort*> rings_;
  std::unique_ptr<test::WorkerWorld> world_;
};

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_DPDK_WORKER_FIXTURE_H_
