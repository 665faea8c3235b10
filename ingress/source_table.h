// What one source may have of a public listener: so many connections at once, and so many new ones a second. A source
// is a /32 or a /64. All memory is taken at the start.
//
// A source has an entry while that matters: while it has connections, or its token bucket is not full. It may stand in
// 16 places (its set, by a seeded hash, so that nobody aims at another's set); a newcomer takes an empty one or that of
// a source whose entry says nothing any more. If all 16 matter, the newcomer is counted in one overflow entry that all
// such newcomers share, with the limits of one source: in a flood from everywhere strangers compete for that and are
// refused, while who has an entry keeps what it may have. Who is counted there stays there for that connection's life,
// so a source that later gets an entry has at most twice its share.
#ifndef RELAYD_INGRESS_SOURCE_TABLE_H_
#define RELAYD_INGRESS_SOURCE_TABLE_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "relay/control/prefix.h"
#include "relay/core/time.h"

namespace ingress {

using relay::AddrPort;
using relay::Instant;

// Any thread. Outlives its tickets.
class SourceTable {
  struct Set;

 public:
  struct Limits {
    uint64_t max_connections = 0;  // 0: no limit.
    uint64_t new_per_second = 0;   // The same; so many at once after a pause.
  };
  enum class Verdict : uint8_t { kAdmitted, kTooMany, kTooFast };

  // One connection's place, given back when it is destroyed or assigned to.
  class Ticket {
   public:
    Ticket() = default;
    Ticket(Ticket&& other) noexcept : set_(std::exchange(other.set_, nullptr)), way_(other.way_) {}
    Ticket& operator=(Ticket&& other) noexcept {
      Release();
      set_ = std::exchange(other.set_, nullptr);
      way_ = other.way_;
      return *this;
    }
    ~Ticket() { Release(); }
    void Release();
    explicit operator bool() const { return set_ != nullptr; }

   private:
    friend class SourceTable;
    Ticket(Set& set, size_t way) : set_(&set), way_(way) {}

    Set* set_ = nullptr;
    size_t way_ = 0;
  };

  // 28 bytes a slot. 65,536 are three times the connections that a process with 20,000 descriptors can have.
  static constexpr size_t kDefaultSlots = 65536;
  explicit SourceTable(size_t slots = kDefaultSlots);

  // For what comes from now on; connections that are open stay, and count.
  void SetLimits(const Limits& limits);

  // O(1). kAdmitted: counted until `out` is released, which holds the ticket then and is left alone else. A refused
  // connection takes no token. Connections are counted without a limit too, so that one can be set later.
  Verdict Admit(const AddrPort& client, Instant now, Ticket& out);

  // Connections that came when their set was full: admitted or not, since the start.
  uint64_t overflowed() const { return overflowed_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kWays = 16;
  struct Entry {
    std::atomic<int64_t> full_at_ns{0};  // The token bucket.
    uint64_t connections = 0;
  };
  // Names apart from entries: a lookup reads two cache lines of names. Everything but names of 0, which are of nobody,
  // is under the lock.
  struct alignas(64) Set {
    std::array<uint64_t, kWays> names{};
    std::array<Entry, kWays> entries;
    std::mutex lock;
  };

  uint64_t NameOf(const AddrPort& client) const;
  // Both with the set's lock held.
  static size_t FindOrTake(Set& set, uint64_t name, Instant now);  // kWays: there is none to take.
  Verdict AdmitTo(Entry& entry, Instant now) const;

  std::array<uint8_t, 16> seed_;
  std::vector<Set> sets_;
  Set overflow_;  // Its first entry alone.
  std::atomic<uint64_t> max_connections_{0};
  std::atomic<uint64_t> new_per_second_{0};
  std::atomic<uint64_t> overflowed_{0};
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_SOURCE_TABLE_H_
