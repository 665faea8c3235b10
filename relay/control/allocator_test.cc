#include "relay/control/allocator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "relay/control/allocator_fixture.h"

namespace relay {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Result = AllocationResult;

TEST_F(AllocatorTest, AnswersAllOfTheEndpoint) {
  Start({.bind_lifetime = seconds(7), .steady_state_lifetime = seconds(70)});
  const disco::PublicKey a = NewKey();
  const disco::PublicKey b = NewKey();
  const Allocator::Outcome outcome = Allocate(a, b);
  EXPECT_EQ(outcome.result, Result::kCreated);
  EXPECT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.endpoint, (disco::RelayEndpoint{.server_disco = allocator_->server_key(),
                                                    .client_disco = {std::min(a, b), std::max(a, b)},
                                                    .lamport_id = 1,
                                                    .vni = 1,
                                                    .bind_lifetime = seconds(7),
                                                    .steady_state_lifetime = seconds(70),
                                                    .addr_ports = addr_ports_}));
  EXPECT_EQ(table_->Find(1)->clients(), outcome.endpoint.client_disco);
}

TEST_F(AllocatorTest, TheTablesSharedKeysAreThoseOfEachClient) {
  const disco::PrivateKey a = disco::PrivateKey::Generate();
  const disco::PrivateKey b = disco::PrivateKey::Generate();
  const Endpoint& endpoint = *table_->Find(Allocate(a.public_key(), b.public_key()).endpoint.vni);
  for (const disco::PrivateKey* client : {&a, &b}) {
    const int leg = endpoint.LegOf(client->public_key());
    EXPECT_EQ(endpoint.shared(leg).bytes(), client->Agree(allocator_->server_key())->bytes());
  }
}

TEST_F(AllocatorTest, OnePairInEitherOrderHasOneEndpoint) {
  const disco::PublicKey a = NewKey();
  const disco::PublicKey b = NewKey();
  const Allocator::Outcome first = Allocate(a, b);
  addr_ports_ = {*AddrPort::Parse("[2001:db8::1]:7"), *AddrPort::Parse("192.0.2.3:7")};
  now_ += seconds(1);
  for (const Allocator::Outcome& again : {Allocate(a, b), Allocate(b, a, "someone else")}) {
    EXPECT_EQ(again.result, Result::kExisting);
    EXPECT_EQ(again.endpoint.vni, first.endpoint.vni);
    EXPECT_EQ(again.endpoint.lamport_id, first.endpoint.lamport_id);
    EXPECT_EQ(again.endpoint.client_disco, first.endpoint.client_disco);
    EXPECT_EQ(again.endpoint.addr_ports, addr_ports_) << "as of today";
  }
  EXPECT_EQ(table_->live(), 1u);
}

TEST_F(AllocatorTest, VniAndLamportIdRise) {
  const disco::PublicKey a = NewKey();
  for (uint64_t n = 1; n <= 20; ++n) {
    const Allocator::Outcome outcome = Allocate(a, NewKey());
    EXPECT_EQ(outcome.endpoint.vni, n);
    EXPECT_EQ(outcome.endpoint.lamport_id, n);
  }
}

TEST_F(AllocatorTest, VnisWrapAndSkipLiveOnesWhileLamportIdsGrowOn) {
  const Allocator::Outcome first = AllocateFresh();
  BindBoth(first.endpoint.vni);
  const EndpointTable::NewEndpoint filler{.clients = {}, .shared = {}};
  for (uint32_t vni = 2; vni < geneve::kMaxVni; ++vni) {
    ASSERT_EQ(table_->Insert(filler, now_), vni);
    table_->Remove(vni);
  }
  EXPECT_EQ(AllocateFresh().endpoint.vni, geneve::kMaxVni);
  const Allocator::Outcome wrapped = AllocateFresh();
  EXPECT_EQ(wrapped.endpoint.vni, 2u);
  EXPECT_EQ(wrapped.endpoint.lamport_id, 3u);
}

TEST_F(AllocatorTest, RefusesKeysThatCannotBeClients) {
  const disco::PublicKey good = NewKey();
  EXPECT_EQ(Allocate(good, good).result, Result::kInvalid);
  const auto refuses = [&](const disco::PublicKey& key) {
    const Allocator::Outcome one = Allocate(key, good);
    const Allocator::Outcome other = Allocate(good, key);
    EXPECT_NE(one.error, "");
    EXPECT_EQ(one.error.find('\n'), one.error.npos);
    return one.result == Result::kInvalid && other.result == Result::kInvalid;
  };
  EXPECT_TRUE(refuses(disco::PublicKey{}));
  EXPECT_TRUE(refuses(allocator_->server_key()));
  const std::vector<disco::PublicKey> three = {NewKey(), NewKey(), NewKey()};
  for (const size_t count : {0u, 1u, 3u}) {
    EXPECT_EQ(allocator_->Allocate("caller", std::span(three).first(count), addr_ports_, now_).result,
              Result::kInvalid);
  }
  // The u coordinates of order 1, 2, 4 and 8 on curve25519 and its twist, below 2^255; X25519 ignores bit 255.
  for (const char* hex : {
           "0000000000000000000000000000000000000000000000000000000000000000",
           "0100000000000000000000000000000000000000000000000000000000000000",
           "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
           "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
           "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
           "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
           "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
       }) {
    disco::PublicKey key = *disco::PublicKey::Parse(std::string("discokey:") + hex);
    EXPECT_TRUE(refuses(key)) << hex;
    key.bytes[31] |= 0x80;
    EXPECT_TRUE(refuses(key)) << hex << " with bit 255";
  }
  EXPECT_EQ(table_->live(), 0u);
  EXPECT_EQ(AllocateFresh().endpoint.lamport_id, 1u) << "a refusal takes no LamportID";
}

// ---- Replacement: only of endpoints whose legs both bound in the first dialect and are not both in use.

struct ReplacementCase {
  const char* name;
  std::array<bool, 2> first_dialect;
  std::array<std::optional<seconds>, 2> data;  // When each leg last sent data, after both bound at 0 s.
  seconds asked;
  Result result;
};

class ReplacementTest : public AllocatorTest, public testing::WithParamInterface<ReplacementCase> {};

TEST_P(ReplacementTest, Decides) {
  const ReplacementCase& c = GetParam();
  const disco::PublicKey a = NewKey();
  const disco::PublicKey b = NewKey();
  const Allocator::Outcome old = Allocate(a, b);
  const Instant start = now_;
  for (const size_t leg : {0u, 1u}) Bind(old.endpoint.vni, leg, c.first_dialect[leg]);
  for (const size_t leg : {0u, 1u}) {
    if (!c.data[leg]) continue;
    now_ = start + *c.data[leg];
    SendData(old.endpoint.vni, leg);
  }
  now_ = start + c.asked;
  const Allocator::Outcome outcome = Allocate(b, a);
  EXPECT_EQ(outcome.result, c.result);
  const bool replaced = c.result == Result::kReplaced;
  EXPECT_EQ(outcome.endpoint.vni, old.endpoint.vni + (replaced ? 1 : 0));
  EXPECT_EQ(outcome.endpoint.lamport_id, old.endpoint.lamport_id + (replaced ? 1 : 0));
  EXPECT_EQ(IsLive(old.endpoint.vni), !replaced);
  EXPECT_EQ(table_->live(), 1u);
  EXPECT_EQ(table_->open(), replaced ? 0u : 1u);
  EXPECT_EQ(Allocate(a, b).endpoint.vni, outcome.endpoint.vni) << "and the pair is found again";
}

constexpr std::optional<seconds> kNever;

INSTANTIATE_TEST_SUITE_P(
    All, ReplacementTest,
    testing::Values(
        ReplacementCase{"BothFirstNoData", {true, true}, {kNever, kNever}, seconds(0), Result::kReplaced},
        ReplacementCase{"BothFirstOneSent", {true, true}, {seconds(5), kNever}, seconds(6), Result::kReplaced},
        ReplacementCase{"BothFirstOtherSent", {true, true}, {kNever, seconds(5)}, seconds(6), Result::kReplaced},
        ReplacementCase{
            "BothFirstBothSentLately", {true, true}, {seconds(5), seconds(9)}, seconds(35), Result::kExisting},
        ReplacementCase{
            "BothFirstOneSentTooLongAgo", {true, true}, {seconds(5), seconds(9)}, seconds(36), Result::kReplaced},
        ReplacementCase{
            "BothFirstOtherSentTooLongAgo", {true, true}, {seconds(40), seconds(9)}, seconds(41), Result::kReplaced},
        ReplacementCase{"BothCurrentNoData", {false, false}, {kNever, kNever}, seconds(40), Result::kExisting},
        ReplacementCase{"OneFirstNoData", {true, false}, {kNever, kNever}, seconds(40), Result::kExisting},
        ReplacementCase{"OtherFirstNoData", {false, true}, {kNever, kNever}, seconds(40), Result::kExisting}),
    [](const auto& param_info) { return param_info.param.name; });

TEST_F(AllocatorTest, OneFirstDialectLegAloneIsNotReplaced) {
  const disco::PublicKey a = NewKey();
  const disco::PublicKey b = NewKey();
  const uint32_t vni = Allocate(a, b).endpoint.vni;
  Bind(vni, 1, /*first_dialect=*/true);
  EXPECT_EQ(Allocate(a, b).result, Result::kExisting);
  table_->Find(vni)->set_first_dialect(0, true);  // A worker that is about to publish the other binding.
  EXPECT_EQ(Allocate(a, b).result, Result::kExisting);
}

TEST_F(AllocatorTest, AReplacementOverQuotaLeavesTheOldEndpoint) {
  Start({.caller_unbound_limit = 1});
  const disco::PublicKey a = NewKey();
  const disco::PublicKey b = NewKey();
  const uint32_t vni = Allocate(a, b).endpoint.vni;
  BindBoth(vni, /*first_dialect=*/true);
  AllocateFresh();
  EXPECT_EQ(Allocate(a, b).result, Result::kQuota);
  EXPECT_TRUE(IsLive(vni));
}

TEST_F(AllocatorTest, ReplacesInAFullTable) {
  Start({}, 1);
  const disco::PublicKey a = NewKey();
  const disco::PublicKey b = NewKey();
  BindBoth(Allocate(a, b).endpoint.vni, /*first_dialect=*/true);
  EXPECT_EQ(Allocate(a, b).result, Result::kReplaced);
}

// ---- Quotas.

TEST_F(AllocatorTest, UnboundLimitIsACallersOwnAndFreedByBinding) {
  Start({.caller_unbound_limit = 3});
  const uint32_t vni = AllocateFresh("alice").endpoint.vni;
  AllocateFresh("alice");
  AllocateFresh("alice");
  const Allocator::Outcome refused = AllocateFresh("alice");
  EXPECT_EQ(refused.result, Result::kQuota);
  EXPECT_NE(refused.error, "");
  EXPECT_EQ(AllocateFresh("bob").result, Result::kCreated);
  Bind(vni, 0);
  EXPECT_EQ(AllocateFresh("alice").result, Result::kQuota) << "one leg is not enough";
  Bind(vni, 1);
  EXPECT_EQ(AllocateFresh("alice").result, Result::kCreated);
  EXPECT_EQ(AllocateFresh("alice").result, Result::kQuota);
}

TEST_F(AllocatorTest, UnboundLimitIsFreedByExpiry) {
  Start({.caller_unbound_limit = 2});
  AllocateFresh();
  AllocateFresh();
  now_ += seconds(30);
  EXPECT_EQ(AllocateFresh().result, Result::kQuota) << "not over yet";
  now_ += milliseconds(200);
  EXPECT_EQ(AllocateFresh().result, Result::kCreated) << "swept by the allocation itself";
  EXPECT_EQ(table_->live(), 1u);
}

TEST_F(AllocatorTest, AnExistingEndpointCostsNothing) {
  Start({.caller_unbound_limit = 1, .caller_rate = 1});
  const disco::PublicKey a = NewKey();
  const disco::PublicKey b = NewKey();
  EXPECT_EQ(Allocate(a, b).result, Result::kCreated);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Allocate(a, b).result, Result::kExisting);
}

TEST_F(AllocatorTest, RateIsACallersOwn) {
  Start({.caller_rate = 5});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(AllocateFresh("alice").result, Result::kCreated);
  const Allocator::Outcome refused = AllocateFresh("alice");
  EXPECT_EQ(refused.result, Result::kQuota);
  EXPECT_NE(refused.error, "");
  EXPECT_EQ(AllocateFresh("bob").result, Result::kCreated);
  now_ += milliseconds(200);
  EXPECT_EQ(AllocateFresh("alice").result, Result::kCreated);
  EXPECT_EQ(AllocateFresh("alice").result, Result::kQuota);
}

TEST_F(AllocatorTest, AnInvalidKeyIsSaidBeforeAQuota) {
  Start({.caller_unbound_limit = 0});
  EXPECT_EQ(Allocate(NewKey(), disco::PublicKey{.bytes = {1}}).result, Result::kInvalid);
  EXPECT_EQ(AllocateFresh().result, Result::kQuota);
}

// ---- Capacity.

TEST_F(AllocatorTest, FullThenFreed) {
  Start({}, 3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(AllocateFresh().result, Result::kCreated);
  const Allocator::Outcome refused = AllocateFresh();
  EXPECT_EQ(refused.result, Result::kFull);
  EXPECT_NE(refused.error, "");
  now_ += seconds(31);
  EXPECT_EQ(AllocateFresh().result, Result::kCreated) << "what is past its time holds no place";
}

TEST_F(AllocatorTest, FullWhileAWorkerMayHoldWhatExpired) {
  Start({}, 2);
  qsbr_.Register(0);
  qsbr_.Online(0);
  AllocateFresh();
  AllocateFresh();
  now_ += seconds(31);
  Sweep();
  EXPECT_EQ(table_->live(), 0u);
  EXPECT_EQ(AllocateFresh().result, Result::kFull);
  qsbr_.Quiescent(0);
  EXPECT_EQ(AllocateFresh().result, Result::kCreated);
  qsbr_.Unregister(0);
}

TEST_F(AllocatorTest, CountsEveryResult) {
  Start({.caller_unbound_limit = 1}, 3);
  const disco::PublicKey a = NewKey();
  const disco::PublicKey b = NewKey();
  Allocate(a, b);   // created
  Allocate(b, a);   // existing
  AllocateFresh();  // quota
  Allocate(a, a);   // invalid
  BindBoth(1, /*first_dialect=*/true);
  Allocate(a, b);          // replaced
  AllocateFresh("bob");    // created
  AllocateFresh("carol");  // created
  AllocateFresh("dave");   // full
  allocator_->Count(Result::kDraining);
  const auto count = [&](Result result) { return allocator_->results(result); };
  EXPECT_EQ(count(Result::kCreated), 3u);
  for (const Result result :
       {Result::kExisting, Result::kReplaced, Result::kInvalid, Result::kQuota, Result::kFull, Result::kDraining}) {
    EXPECT_EQ(count(result), 1u) << AllocationResultName(result);
  }
  EXPECT_EQ(count(Result::kForbidden), 0u);
  EXPECT_EQ(count(Result::kNotReady), 0u);
}

TEST(AllocationResultTest, NamesAreTheMetrics) {
  std::vector<std::string_view> names;
  for (size_t i = 0; i < kAllocationResultCount; ++i) names.push_back(AllocationResultName(static_cast<Result>(i)));
  EXPECT_THAT(names, testing::ElementsAre("created", "existing", "replaced", "invalid", "forbidden", "quota", "full",
                                          "not_ready", "draining"));
}

TEST_F(AllocatorTest, TakesLittleMemory) {
  constexpr uint32_t kEndpoints = 1'000'000;
  Start({}, kEndpoints);
  EXPECT_LE(allocator_->memory_bytes(), size_t{45} * kEndpoints);
}

}  // namespace
}  // namespace relay
