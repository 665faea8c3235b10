// An endpoint: two clients' legs under one VNI. 448 bytes, seven cache lines; who writes what is said at each field.
#ifndef RELAYD_RELAY_CORE_ENDPOINT_H_
#define RELAYD_RELAY_CORE_ENDPOINT_H_

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <mutex>

#include "disco/key.h"
#include "relay/core/path.h"
#include "relay/core/time.h"

namespace relay {

// Tells the processor that this is a spin.
inline void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// One byte, held for a few dozen instructions and never across crypto; handshakes and expiry take it, data never does.
class ByteLock {
 public:
  void lock();
  void unlock() { held_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> held_{false};
};

// Where a leg's client is, published behind a sequence word: a reader sees all of one binding or retries. Words are
// stored with release and loaded with acquire, so no fence is needed. Written under the endpoint's lock.
//
// Readers are in the header, and move words rather than structs, because every packet comes through here: as two whole
// Path loads the same cost 11 ns more (bench/core_bench, HandlePacket/1).
class alignas(64) Binding {
 public:
  // Is this leg bound, and to `remote`? Lock-free; any thread.
  enum class Match : uint8_t { kNotBound, kOther, kSame };
  Match Matches(const AddrPort& remote) const {
    uint64_t port = 0;
    uint64_t differing = 0;
    const auto read = [&] {
      port = Word(kPortWord);
      differing = (Word(0) ^ PathWords::Word(&remote, 0)) | (Word(1) ^ PathWords::Word(&remote, 1)) |
                  (port ^ PathWords::Word(&remote, kPortWord));
    };
    if (!InOnePiece(read)) [[unlikely]]
      return MatchesAgain(remote);
    if (port == 0) [[unlikely]]
      return Match::kNotBound;
    return differing == 0 ? Match::kSame : Match::kOther;
  }
  // A hint, for prefetching: false if it is not bound to `remote`, nearly always.
  bool MayBe(const AddrPort& remote) const {
    return ((Word(1) ^ PathWords::Word(&remote, 1)) | (Word(kPortWord) ^ PathWords::Word(&remote, kPortWord))) == 0;
  }
  // Port 0: not bound. Lock-free; any thread.
  PathWords Load() const {
    PathWords out;
    const auto read = [&] { out = {Word(0), Word(1), Word(2), Word(3), Word(4), Word(5), Word(6)}; };
    if (!InOnePiece(read)) [[unlikely]] {
      PathWords again = LoadAgain();  // Copied by member, or `out` would be in memory.
      out = {again.remote_high, again.remote_low, again.remote_rest, again.local_high,
             again.local_low,   again.link,       again.link_rest};
    }
    return out;
  }
  // False: not bound.
  bool Load(Path& out) const {
    const PathWords found = Load();
    found.Store(out);
    return found.remote_port() != 0;
  }
  bool IsBound() const { return Word(kPortWord) != 0; }
  // Is the MAC address another one than `path`'s, on the same port and VLAN? A hint, not read in one piece with the
  // rest.
  bool HasOtherMac(const Path& path) const {
    const uint64_t first = Word(kLinkWord) ^ PathWords::Word(&path, kLinkWord);
    const uint64_t rest = Word(kLinkWord + 1) ^ PathWords::Word(&path, kLinkWord + 1);
    if ((first | rest) == 0) [[likely]]  // All is as it was.
      return false;
    const bool same_mac = (first >> 48 | static_cast<uint32_t>(rest)) == 0;
    return !same_mac && static_cast<uint32_t>(first >> 16) == 0;
  }
  void Publish(const Path& path);

 private:
  static constexpr size_t kWords = PathWords::kCount;
  static constexpr size_t kPortWord = 2;  // Holds the remote's scope and port; a bound leg's port is not 0.
  static constexpr size_t kLinkWord = 5;  // Ends with the MAC's first two bytes; the next word begins with the others.

  uint64_t Word(size_t i) const { return words_[i].load(std::memory_order_acquire); }
  // Runs `read`, which uses Word(). False: a writer was in between.
  template <typename F>
  [[gnu::always_inline]] bool InOnePiece(F read) const {
    const uint64_t before = sequence_.load(std::memory_order_acquire);
    read();
    return (before & 1) == 0 && sequence_.load(std::memory_order_relaxed) == before;
  }
  // Until no writer is in between. Apart, because in a loop the words' addresses take all registers.
  Match MatchesAgain(const AddrPort& remote) const;
  PathWords LoadAgain() const;

  std::atomic<uint64_t> sequence_{0};  // Odd while being written.
  std::array<std::atomic<uint64_t>, kWords> words_{};
};

inline constexpr Duration kLastSeenStep = std::chrono::milliseconds(250);

// What a leg's client has sent. On a line of its own: written on every packet, while the bindings are only read.
struct alignas(64) Activity {
  // Written by the worker that owns the leg (the one that first bound it), without locked instructions.
  std::atomic<uint64_t> owner_packets{0};
  std::atomic<uint64_t> owner_bytes{0};
  // Added to by all other workers; readers sum the two.
  std::atomic<uint64_t> other_packets{0};
  std::atomic<uint64_t> other_bytes{0};
  // Written by any worker, at most once in kLastSeenStep, and rounded up so that rounding only lengthens life.
  std::atomic<int64_t> last_seen_ns{0};
  // Handshake: the leg's token bucket (TokenBucket), any worker.
  std::atomic<int64_t> bucket_ns{0};
  // Handshake in progress: the bind's generation, 0 if none. Written under the endpoint's lock.
  std::atomic<uint32_t> generation{0};
  std::atomic<uint32_t> followed_ms{0};    // When the binding's MAC address last changed; 0: never. Under the lock.
  std::atomic<uint16_t> owner{0};          // Worker id; written once, before the first binding is published.
  std::atomic<bool> first_dialect{false};  // The binding was made in the first dialect. Under the lock.

  uint64_t packets() const;
  uint64_t bytes() const;

  // The leg has been heard of. Stored ahead of time, so that it is written once in kLastSeenStep and not a packet.
  void Touch(int64_t now_ns) {
    if (last_seen_ns.load(std::memory_order_relaxed) > now_ns) [[likely]]
      return;
    last_seen_ns.store(now_ns + kLastSeenStep.count(), std::memory_order_relaxed);
  }
  void CountSent(uint16_t worker, uint32_t sent_packets, size_t sent_bytes) {
    constexpr auto kRelaxed = std::memory_order_relaxed;
    if (owner.load(kRelaxed) == worker) [[likely]] {
      owner_packets.store(owner_packets.load(kRelaxed) + sent_packets, kRelaxed);
      owner_bytes.store(owner_bytes.load(kRelaxed) + sent_bytes, kRelaxed);
    } else {
      other_packets.fetch_add(sent_packets, kRelaxed);
      other_bytes.fetch_add(sent_bytes, kRelaxed);
    }
  }
};

class alignas(64) Endpoint {
 public:
  // Any thread.
  const std::array<disco::PublicKey, 2>& clients() const { return clients_; }  // Ascending: ClientDisco's order.
  uint32_t vni() const { return vni_; }
  uint64_t lamport_id() const { return lamport_id_; }
  bool IsOpen() const { return binding[0].IsBound() && binding[1].IsBound(); }
  // Index of the client whose key this is, or -1. Constant time is not needed: keys are public.
  int LegOf(const disco::PublicKey& key) const;
  const disco::SharedKey& shared(int leg) const { return shared_[static_cast<size_t>(leg)]; }

  std::array<Binding, 2> binding;
  std::array<Activity, 2> activity;

 private:
  friend class EndpointTable;
  friend class RelayServer;

  // Written by the control thread before the VNI is published; read by any worker after.
  std::array<disco::PublicKey, 2> clients_;
  std::array<disco::SharedKey, 2> shared_;
  // First dialect: the source that a leg's first bind pinned; port 0 if none. Under the lock.
  std::array<AddrPort, 2> pin_;
  uint64_t lamport_id_ = 0;  // As clients_.
  uint32_t vni_ = 0;         // As clients_.
  ByteLock lock_;
  bool closed_ = true;  // Set when the endpoint is taken out of the table; under the lock.
};
static_assert(sizeof(Endpoint) == 448);

}  // namespace relay

#endif  // RELAYD_RELAY_CORE_ENDPOINT_H_
