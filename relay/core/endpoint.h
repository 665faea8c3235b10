// An endpoint: two clients' legs under one VNI. 448 bytes, seven cache lines; who writes what is said at each field.
//
// Most packets touch one of them, their sender's Flow; those over IPv6 or with a VLAN tag the receiver's Binding too.
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
#include "relay/core/flow.h"
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
// Readers are in the header, and move words rather than structs: as two whole Path loads the same cost 11 ns more
// (bench/core_bench, HandlePacket/1 when every packet came through here).
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

  // The first dialect's pin: the source of a leg's first bind, port 0 if there is none. It lies in words that only a
  // bound leg's readers look at, and is gone when the leg is bound. Not bound, under the endpoint's lock.
  void Pin(const AddrPort& source);
  AddrPort pin() const;

  // Handshake in progress: the bind's generation, 0 if none. Written under the endpoint's lock.
  std::atomic<uint32_t> generation{0};

 private:
  static constexpr size_t kWords = PathWords::kCount;
  static constexpr size_t kPortWord = 2;  // Holds the remote's scope and port; a bound leg's port is not 0.
  static constexpr size_t kPinWord = 3;   // Of the local address and what follows.
  static constexpr size_t kPinWords = sizeof(AddrPort) / sizeof(uint64_t);
  static constexpr size_t kLinkWord = 5;  // Ends with the MAC's first two bytes; the next word begins with the others.

  uint64_t Word(size_t i) const { return words_[i].load(std::memory_order_acquire); }
  // Runs `read`, which uses Word(). False: a writer was in between.
  template <typename F>
  [[gnu::always_inline]] bool InOnePiece(F read) const {
    const uint32_t before = sequence_.load(std::memory_order_acquire);
    read();
    return (before & 1) == 0 && sequence_.load(std::memory_order_relaxed) == before;
  }
  // Until no writer is in between. Apart, because in a loop the words' addresses take all registers.
  Match MatchesAgain(const AddrPort& remote) const;
  PathWords LoadAgain() const;

  std::atomic<uint32_t> sequence_{0};  // Odd while being written.
  std::array<std::atomic<uint64_t>, kWords> words_{};
};
static_assert(sizeof(Binding) == 64);

// What else is written of a leg now and then.
struct Activity {
  // Added to by all workers but the leg's owner, whose count is in the Flow; readers sum the two.
  std::atomic<uint64_t> other_packets{0};
  std::atomic<uint64_t> other_bytes{0};
  // Handshake: the leg's token bucket (TokenBucket), any worker.
  std::atomic<int64_t> bucket_ns{0};
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
  const disco::SharedKey& shared(int leg) const { return rest_[static_cast<size_t>(leg)].shared; }

  // What the leg's client has sent and was passed on.
  uint64_t packets(size_t leg) const {
    return flow[leg].owner_packets.load(std::memory_order_relaxed) +
           activity(leg).other_packets.load(std::memory_order_relaxed);
  }
  uint64_t bytes(size_t leg) const {
    return flow[leg].owner_bytes.load(std::memory_order_relaxed) +
           activity(leg).other_bytes.load(std::memory_order_relaxed);
  }
  void CountSent(size_t leg, uint16_t worker, uint32_t packets, size_t bytes) {
    if (flow[leg].CountSent(worker, packets, bytes)) [[likely]]
      return;
    activity(leg).other_packets.fetch_add(packets, std::memory_order_relaxed);
    activity(leg).other_bytes.fetch_add(bytes, std::memory_order_relaxed);
  }
  Activity& activity(size_t leg) { return rest_[leg].activity; }
  const Activity& activity(size_t leg) const { return rest_[leg].activity; }
  int64_t last_seen_ns(size_t leg) const { return flow[leg].last_seen_ns.load(std::memory_order_relaxed); }

  // The leg's binding was made in the first dialect. Set under the lock.
  bool first_dialect(size_t leg) const { return Has(FirstDialectFlag(leg)); }
  void set_first_dialect(size_t leg, bool is) { Set(FirstDialectFlag(leg), is); }

  // The last box that came in the leg's name did not open: see RelayServer's control bucket. Any worker.
  bool is_suspect(size_t leg) const { return Has(SuspectFlag(leg)); }
  void set_suspect(size_t leg, bool is) { Set(SuspectFlag(leg), is); }

  std::array<Flow, 2> flow;  // By sender.
  std::array<Binding, 2> binding;

 private:
  friend class EndpointTable;
  friend class RelayServer;

  static constexpr uint8_t kClosed = 1;  // Out of the table.
  static constexpr uint8_t FirstDialectFlag(size_t leg) { return static_cast<uint8_t>(2u << leg); }
  static constexpr uint8_t SuspectFlag(size_t leg) { return static_cast<uint8_t>(8u << leg); }
  bool Has(uint8_t flag) const { return (flags_.load(std::memory_order_relaxed) & flag) != 0; }
  void Set(uint8_t flag, bool is) {
    if (Has(flag) == is) return;
    if (is) {
      flags_.fetch_or(flag, std::memory_order_relaxed);
    } else {
      flags_.fetch_and(static_cast<uint8_t>(~flag), std::memory_order_relaxed);
    }
  }

  // In this order, so that the legs' activities lie in two lines: both may be written all the time, by two workers.
  struct Rest {
    disco::SharedKey shared;  // As clients_.
    Activity activity;
  };
  std::array<Rest, 2> rest_;
  // Written by the control thread before the VNI is published; read by any worker after.
  std::array<disco::PublicKey, 2> clients_;
  uint64_t lamport_id_ = 0;
  uint32_t vni_ = 0;

  // In eighths of a second, when the binding's MAC address last changed; 0: never. Under the lock.
  std::array<std::atomic<uint8_t>, 2> followed_{};
  std::atomic<uint8_t> flags_{kClosed};  // Set under the lock, but for SuspectFlag.
  ByteLock lock_;
};
static_assert(sizeof(Endpoint) == 448);

// Whose a packet is by its source, if it is anybody's. No endpoint: there is none.
struct Sender {
  Endpoint* endpoint = nullptr;
  size_t leg = 0;
};

}  // namespace relay

#endif  // RELAYD_RELAY_CORE_ENDPOINT_H_
