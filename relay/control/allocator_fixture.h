// What the allocator's tests share.
#ifndef RELAYD_RELAY_CONTROL_ALLOCATOR_FIXTURE_H_
#define RELAYD_RELAY_CONTROL_ALLOCATOR_FIXTURE_H_

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <memory>
#include <string_view>
#include <vector>

#include "disco/key.h"
#include "relay/control/allocator.h"
#include "relay/core/endpoint_table.h"
#include "relay/core/qsbr.h"

namespace relay {

inline disco::PublicKey NewKey() { return disco::PrivateKey::Generate().public_key(); }

// An allocator over a table of its own and a clock that the test moves. Legs are bound as the core does it.
class AllocatorTest : public testing::Test {
 protected:
  AllocatorTest() { Start({}); }

  void Start(const Allocator::Options& options, uint32_t max_endpoints = 64) {
    disco::InitCrypto();
    allocator_.reset();
    table_ = std::make_unique<EndpointTable>(max_endpoints, qsbr_);
    allocator_ = std::make_unique<Allocator>(*table_, disco::PrivateKey::Generate(), options);
  }

  Allocator::Outcome Allocate(const disco::PublicKey& a, const disco::PublicKey& b,
                              std::string_view caller = "caller") {
    const std::array<disco::PublicKey, 2> keys = {a, b};
    return allocator_->Allocate(caller, keys, addr_ports_, now_);
  }
  Allocator::Outcome AllocateFresh(std::string_view caller = "caller") { return Allocate(NewKey(), NewKey(), caller); }

  void Bind(uint32_t vni, size_t leg, bool first_dialect = false) {
    Endpoint& endpoint = *table_->Find(vni);
    const bool was_open = endpoint.IsOpen();
    endpoint.set_first_dialect(leg, first_dialect);
    endpoint.flow[leg].last_seen_ns.store(ToNs(now_));
    table_->Bind(endpoint, leg, Path{.remote = *AddrPort::Parse("192.0.2.1:1"), .link = {}});
    if (!was_open && endpoint.IsOpen()) table_->CountOpened(endpoint);
  }
  void BindBoth(uint32_t vni, bool first_dialect = false) {
    for (const size_t leg : {0u, 1u}) Bind(vni, leg, first_dialect);
  }
  void SendData(uint32_t vni, size_t leg) {
    Endpoint& endpoint = *table_->Find(vni);
    endpoint.activity(leg).other_packets.fetch_add(1);
    endpoint.flow[leg].last_seen_ns.store(ToNs(now_));
  }
  void Sweep() {
    while (allocator_->Expire(now_, 16)) {
    }
  }
  bool IsLive(uint32_t vni) const { return table_->Find(vni) != nullptr; }

  Qsbr qsbr_{1};
  std::unique_ptr<EndpointTable> table_;
  std::unique_ptr<Allocator> allocator_;
  std::vector<AddrPort> addr_ports_ = {*AddrPort::Parse("192.0.2.9:40000")};
  Instant now_{std::chrono::seconds(500)};
};

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_ALLOCATOR_FIXTURE_H_
