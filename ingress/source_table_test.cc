#include "ingress/source_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>
#include <string>
#include <thread>

namespace ingress {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Ticket = SourceTable::Ticket;
using Verdict = SourceTable::Verdict;

AddrPort At(std::string_view text) { return AddrPort::Parse(text).value(); }
AddrPort Stranger(uint32_t i) {
  return AddrPort::FromIpv4({198, static_cast<uint8_t>(i >> 16), static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)},
                            1);
}

class SourceTableTest : public testing::Test {
 protected:
  Verdict Admit(SourceTable& table, const AddrPort& client) {
    Ticket ticket;
    const Verdict verdict = table.Admit(client, now_, ticket);
    EXPECT_EQ(static_cast<bool>(ticket), verdict == Verdict::kAdmitted);
    if (ticket) open_.push_back(std::move(ticket));
    return verdict;
  }

  SourceTable& Table(size_t slots = SourceTable::kDefaultSlots) { return tables_.emplace_back(slots); }

  Instant now_{seconds(1000)};
  std::deque<SourceTable> tables_;
  std::deque<Ticket> open_;  // Before their tables, they go.
};

TEST_F(SourceTableTest, NoLimitsNoRefusals) {
  SourceTable& table = Table(16);
  for (uint32_t i = 0; i < 10'000; ++i) ASSERT_EQ(Admit(table, Stranger(i % 100)), Verdict::kAdmitted);
  open_.clear();
}

TEST_F(SourceTableTest, ASourceHasSoManyConnectionsAtOnce) {
  SourceTable& table = Table();
  table.SetLimits({.max_connections = 2, .new_per_second = 0});
  EXPECT_EQ(Admit(table, At("192.0.2.1:1")), Verdict::kAdmitted);
  EXPECT_EQ(Admit(table, At("192.0.2.1:2")), Verdict::kAdmitted);
  EXPECT_EQ(Admit(table, At("192.0.2.1:3")), Verdict::kTooMany);
  EXPECT_EQ(Admit(table, At("192.0.2.2:3")), Verdict::kAdmitted) << "another source";
  open_.pop_front();
  EXPECT_EQ(Admit(table, At("192.0.2.1:3")), Verdict::kAdmitted);
  EXPECT_EQ(Admit(table, At("192.0.2.1:4")), Verdict::kTooMany);
}

TEST_F(SourceTableTest, ASourceIsASlash32OrASlash64) {
  SourceTable& table = Table();
  table.SetLimits({.max_connections = 1, .new_per_second = 0});
  EXPECT_EQ(Admit(table, At("[2001:db8::1]:1")), Verdict::kAdmitted);
  EXPECT_EQ(Admit(table, At("[2001:db8::ffff:1]:2")), Verdict::kTooMany);
  EXPECT_EQ(Admit(table, At("[2001:db8:0:1::1]:1")), Verdict::kAdmitted);
  EXPECT_EQ(Admit(table, At("192.0.2.1:1")), Verdict::kAdmitted);
  EXPECT_EQ(Admit(table, At("[::ffff:192.0.2.1]:2")), Verdict::kTooMany) << "mapped is IPv4";
}

TEST_F(SourceTableTest, ASourceHasSoManyNewConnectionsASecond) {
  SourceTable& table = Table();
  table.SetLimits({.max_connections = 0, .new_per_second = 4});
  for (int i = 0; i < 4; ++i) EXPECT_EQ(Admit(table, At("192.0.2.1:1")), Verdict::kAdmitted);
  open_.clear();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(Admit(table, At("192.0.2.1:1")), Verdict::kTooFast) << "and pays nothing";
  EXPECT_EQ(Admit(table, At("192.0.2.2:1")), Verdict::kAdmitted);
  now_ += milliseconds(250);
  EXPECT_EQ(Admit(table, At("192.0.2.1:1")), Verdict::kAdmitted);
  EXPECT_EQ(Admit(table, At("192.0.2.1:1")), Verdict::kTooFast);
}

TEST_F(SourceTableTest, ARefusalForTooManyTakesNoToken) {
  SourceTable& table = Table();
  table.SetLimits({.max_connections = 1, .new_per_second = 2});
  EXPECT_EQ(Admit(table, At("192.0.2.1:1")), Verdict::kAdmitted);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Admit(table, At("192.0.2.1:1")), Verdict::kTooMany);
  open_.clear();
  EXPECT_EQ(Admit(table, At("192.0.2.1:1")), Verdict::kAdmitted);
}

TEST_F(SourceTableTest, LimitsMayChangeWhileConnectionsAreOpen) {
  SourceTable& table = Table();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Admit(table, At("192.0.2.1:1")), Verdict::kAdmitted);
  table.SetLimits({.max_connections = 3, .new_per_second = UINT64_MAX});
  EXPECT_EQ(Admit(table, At("192.0.2.1:1")), Verdict::kTooMany) << "they were counted";
  table.SetLimits({.max_connections = 4, .new_per_second = UINT64_MAX});
  EXPECT_EQ(Admit(table, At("192.0.2.1:1")), Verdict::kAdmitted);
  table.SetLimits({.max_connections = 0, .new_per_second = 1});
  now_ += milliseconds(1);
  EXPECT_EQ(Admit(table, At("192.0.2.1:1")), Verdict::kAdmitted);
  EXPECT_EQ(Admit(table, At("192.0.2.1:1")), Verdict::kTooFast);
}

TEST_F(SourceTableTest, ATicketCountsOnceWhereverItIsMoved) {
  SourceTable& table = Table();
  table.SetLimits({.max_connections = 1, .new_per_second = 0});
  const AddrPort client = At("192.0.2.1:1");
  Ticket a;
  ASSERT_EQ(table.Admit(client, now_, a), Verdict::kAdmitted);
  Ticket b = std::move(a);
  EXPECT_EQ(Admit(table, client), Verdict::kTooMany);
  {
    const Ticket c = std::move(b);
    EXPECT_EQ(Admit(table, client), Verdict::kTooMany);
  }
  ASSERT_EQ(table.Admit(client, now_, a), Verdict::kAdmitted);
  Ticket other;
  ASSERT_EQ(table.Admit(At("192.0.2.2:1"), now_, other), Verdict::kAdmitted);
  a = std::move(other);
  EXPECT_EQ(Admit(table, client), Verdict::kAdmitted) << "assigned to, it was given back";
  EXPECT_EQ(Admit(table, At("192.0.2.2:1")), Verdict::kTooMany) << "and now holds the other one";
  EXPECT_EQ(table.Admit(At("192.0.2.2:1"), now_, a), Verdict::kTooMany);
  EXPECT_TRUE(a) << "a refusal leaves it alone";
  a.Release();
  a.Release();
  EXPECT_EQ(Admit(table, At("192.0.2.2:1")), Verdict::kAdmitted);
}

TEST_F(SourceTableTest, AdmitsIntoATicketOfTheSameSource) {
  SourceTable& table = Table(16);
  Ticket ticket;
  for (int i = 0; i < 3; ++i) ASSERT_EQ(table.Admit(At("192.0.2.1:1"), now_, ticket), Verdict::kAdmitted);
  table.SetLimits({.max_connections = 2, .new_per_second = 0});
  EXPECT_EQ(Admit(table, At("192.0.2.1:1")), Verdict::kAdmitted) << "only the last one was left";
  EXPECT_EQ(Admit(table, At("192.0.2.1:1")), Verdict::kTooMany);
}

// 16 slots are one set.
TEST_F(SourceTableTest, WhenAllEntriesMatterStrangersShareOne) {
  SourceTable& table = Table(16);
  table.SetLimits({.max_connections = 3, .new_per_second = 0});
  for (uint32_t i = 0; i < 16; ++i) ASSERT_EQ(Admit(table, Stranger(i)), Verdict::kAdmitted);
  EXPECT_EQ(table.overflowed(), 0u);
  for (uint32_t i = 100; i < 103; ++i) EXPECT_EQ(Admit(table, Stranger(i)), Verdict::kAdmitted);
  for (uint32_t i = 103; i < 200; ++i) EXPECT_EQ(Admit(table, Stranger(i)), Verdict::kTooMany);
  EXPECT_EQ(table.overflowed(), 100u);
  for (uint32_t i = 0; i < 16; ++i) EXPECT_EQ(Admit(table, Stranger(i)), Verdict::kAdmitted) << "known sources: " << i;
  EXPECT_EQ(table.overflowed(), 100u);
  open_.clear();
  EXPECT_EQ(Admit(table, Stranger(300)), Verdict::kAdmitted);
  EXPECT_EQ(table.overflowed(), 100u) << "it has an entry of its own";
}

TEST_F(SourceTableTest, TheSharedEntryHasARateToo) {
  SourceTable& table = Table(16);
  table.SetLimits({.max_connections = 0, .new_per_second = 2});
  for (uint32_t i = 0; i < 16; ++i) ASSERT_EQ(Admit(table, Stranger(i)), Verdict::kAdmitted);
  EXPECT_EQ(Admit(table, Stranger(100)), Verdict::kAdmitted);
  EXPECT_EQ(Admit(table, Stranger(101)), Verdict::kAdmitted);
  EXPECT_EQ(Admit(table, Stranger(102)), Verdict::kTooFast);
  EXPECT_EQ(Admit(table, Stranger(3)), Verdict::kAdmitted);
}

TEST_F(SourceTableTest, AnEntryIsForgottenOnlyWhenItsBucketIsFull) {
  SourceTable& table = Table(16);
  table.SetLimits({.max_connections = 0, .new_per_second = 1});
  for (uint32_t i = 0; i < 16; ++i) ASSERT_EQ(Admit(table, Stranger(i)), Verdict::kAdmitted);
  open_.clear();
  for (uint32_t i = 100; i < 200; ++i) Admit(table, Stranger(i));
  EXPECT_EQ(table.overflowed(), 100u) << "no connections, but tokens to pay back";
  for (uint32_t i = 0; i < 16; ++i) EXPECT_EQ(Admit(table, Stranger(i)), Verdict::kTooFast);
  now_ += seconds(1);
  open_.clear();
  for (uint32_t i = 100; i < 116; ++i) EXPECT_EQ(Admit(table, Stranger(i)), Verdict::kAdmitted);
  EXPECT_EQ(table.overflowed(), 100u);
}

// As many sources as a process can have connections: nearly all have an entry of their own.
TEST_F(SourceTableTest, TheDefaultSizeIsEnough) {
  SourceTable& table = Table();
  for (uint32_t i = 0; i < 20'000; ++i) Admit(table, Stranger(i));
  EXPECT_LT(table.overflowed(), 20u);
}

// Threads come and go at random; in the end every place is free again, and nobody had more than its share.
TEST_F(SourceTableTest, ThreadsShareATable) {
  constexpr uint64_t kMax = 4;
  SourceTable& table = Table(64);
  table.SetLimits({.max_connections = kMax, .new_per_second = 0});
  const auto run = [&](uint32_t seed) {
    std::mt19937 random(seed);
    std::array<Ticket, 8> tickets;
    for (int i = 0; i < 20'000; ++i) {
      Ticket& ticket = tickets[random() % tickets.size()];
      if (random() % 2 == 0) {
        ticket.Release();
      } else {
        table.Admit(Stranger(random() % 100), now_, ticket);
      }
      if (i % 100 == 0) table.SetLimits({.max_connections = kMax, .new_per_second = random() % 2 * 1'000'000'000});
    }
  };
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < 4; ++i) threads.emplace_back(run, i);
  for (std::thread& thread : threads) thread.join();
  table.SetLimits({.max_connections = kMax, .new_per_second = 0});
  now_ += seconds(10);
  for (uint32_t source = 0; source < 100; ++source) {
    for (uint64_t i = 0; i < kMax; ++i) EXPECT_EQ(Admit(table, Stranger(source)), Verdict::kAdmitted) << source;
    EXPECT_EQ(Admit(table, Stranger(source)), Verdict::kTooMany) << source;
    open_.clear();
  }
}

TEST_F(SourceTableTest, ThreadsNeverAdmitMoreThanTheLimit) {
  constexpr uint64_t kMax = 10;
  SourceTable& table = Table();
  table.SetLimits({.max_connections = kMax, .new_per_second = 0});
  std::atomic<int> admitted{0};
  std::vector<std::vector<Ticket>> tickets(4);
  std::vector<std::thread> threads;
  for (std::vector<Ticket>& mine : tickets) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        Ticket ticket;
        if (table.Admit(At("192.0.2.1:1"), now_, ticket) != Verdict::kAdmitted) continue;
        ++admitted;
        mine.push_back(std::move(ticket));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(admitted, static_cast<int>(kMax));
}

}  // namespace
}  // namespace ingress
