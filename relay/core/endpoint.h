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
  static constexpr size_t kWords = sizeof(Path) / sizeof(uint64_t);
  static constexpr size_t kRemoteWords = sizeof(AddrPort) / sizeof(uint64_t);  // Path begins with the remote.
  static constexpr size_t kPortWord = 2;  // Holds the remote's scope and port; a bound leg's port is not 0.

 public:
  // The first N words of one binding, in registers; Path and AddrPort as they lie in memory.
  template <size_t N>
  struct FirstWords {
    std::array<uint64_t, N> words;

    bool IsBound() const { return words[kPortWord] != 0; }
    // The port first: it differs nearly always.
    bool HasRemote(const AddrPort& remote) const {
      return words[2] == WordOf(remote, 2) && words[1] == WordOf(remote, 1) && words[0] == WordOf(remote, 0);
    }
    void Store(Path& out) const {
#pragma GCC unroll 8
      for (size_t i = 0; i < N; ++i) {
        std::memcpy(reinterpret_cast<char*>(&out) + i * sizeof(words[i]), &words[i], sizeof(words[i]));
      }
    }
  };
  using Words = FirstWords<kWords>;

  // Is this leg bound, and to `remote`? Lock-free; any thread.
  enum class Match : uint8_t { kNotBound, kOther, kSame };
  Match Matches(const AddrPort& remote) const {
    const FirstWords<kRemoteWords> found = Read<kRemoteWords>();
    if (!found.IsBound()) [[unlikely]]
      return Match::kNotBound;
    return found.HasRemote(remote) ? Match::kSame : Match::kOther;
  }
  // A hint, for prefetching: false if it is not bound to `remote`, nearly always.
  bool MayBe(const AddrPort& remote) const {
    return ((Word(1) ^ WordOf(remote, 1)) | (Word(kPortWord) ^ WordOf(remote, kPortWord))) == 0;
  }
  // Lock-free; any thread.
  Words Load() const { return Read<kWords>(); }
  // False: not bound.
  bool Load(Path& out) const {
    const Words found = Load();
    found.Store(out);
    return found.IsBound();
  }
  bool IsBound() const { return Word(kPortWord) != 0; }
  // Is the MAC address another one than `path`'s, on the same port and VLAN? A hint, not read in one piece with the
  // rest.
  bool HasOtherMac(const Path& path) const {
    std::array<uint64_t, 2> link;
    std::memcpy(&link, reinterpret_cast<const char*>(&path) + kLinkWord * sizeof(uint64_t), sizeof(link));
    const uint64_t first = Word(kLinkWord) ^ link[0];
    const auto rest = static_cast<uint32_t>(Word(kLinkWord + 1) ^ link[1]);
    if ((first >> 48 | rest) == 0) [[likely]]
      return false;
    return static_cast<uint32_t>(first >> 16) == 0;
  }
  void Publish(const Path& path);

 private:
  static constexpr size_t kLinkWord = 5;  // Ends with the MAC's first two bytes; the next word begins with the others.
  static_assert(std::endian::native == std::endian::little && offsetof(Path, link) + offsetof(Link, mac) == 46);

  uint64_t Word(size_t i) const { return words_[i].load(std::memory_order_acquire); }
  // One word at a time: all at once would be a wider load than the stores were, and wait for them.
  static uint64_t WordOf(const AddrPort& remote, size_t i) {
    uint64_t word = 0;
    std::memcpy(&word, reinterpret_cast<const char*>(&remote) + i * sizeof(word), sizeof(word));
    return word;
  }
  // Again until no writer was in between. The first try is straight-line code: in the loop, the words' addresses took
  // all registers.
  template <size_t N>
  [[gnu::always_inline]] FirstWords<N> Read() const {
    FirstWords<N> out;
    if (TryRead(out)) [[likely]]
      return out;
    return ReadAgain<N>();
  }
  template <size_t N>
  [[gnu::always_inline]] bool TryRead(FirstWords<N>& out) const {
    const uint64_t before = sequence_.load(std::memory_order_acquire);
#pragma GCC unroll 8
    for (size_t i = 0; i < N; ++i) out.words[i] = Word(i);
    return (before & 1) == 0 && sequence_.load(std::memory_order_relaxed) == before;
  }
  template <size_t N>
  [[gnu::noinline, gnu::cold]] FirstWords<N> ReadAgain() const {
    FirstWords<N> out;
    while (!TryRead(out)) Pause();
    return out;
  }

  std::atomic<uint64_t> sequence_{0};  // Odd while being written.
  std::array<std::atomic<uint64_t>, kWords> words_{};
};
static_assert(offsetof(Path, remote) == 0);

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
