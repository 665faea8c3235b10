// The client's side of a leg's handshake (tailscale wgengine/magicsock relayManager), without I/O: bytes and times in,
// bytes out. relay-client, the tests and the load harness drive it.
#ifndef RELAYD_DISCO_CLIENT_HANDSHAKE_H_
#define RELAYD_DISCO_CLIENT_HANDSHAKE_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "disco/key.h"
#include "disco/messages.h"

namespace disco {

enum class Dialect : uint8_t { kCurrent, kFirst };  // 72-byte payloads, or the 32-byte ones of 2025-03.

// Not thread-safe. Holds copies of all it is given.
class ClientHandshake {
 public:
  using Instant = std::chrono::steady_clock::time_point;

  struct Options {
    PublicKey self;    // Ours: the sender of what we seal.
    PublicKey server;  // The relay's.
    PublicKey peer;    // The other client's: RemoteKey.
    SharedKey shared;  // Ours with the relay's.
    uint32_t vni = 0;
    Dialect dialect = Dialect::kCurrent;
    uint32_t first_generation = 1;                                     // Never 0.
    std::chrono::milliseconds retry = std::chrono::milliseconds(500);  // Between binds without a challenge.
    int max_binds = 10;
  };

  // There is no word from the relay that an answer was accepted: kAnswered means "ours is sent"; that the leg is bound
  // shows when something comes through it.
  enum class State : uint8_t { kIdle, kBindSent, kAnswered, kFailed };

  explicit ClientHandshake(const Options& options);

  // Begins a handshake (the first, or a new one from a new address) with the next generation; returns the bind to send.
  std::vector<uint8_t> Start(Instant now);

  // Takes a whole UDP payload from the relay's address. Returns the answer to send if it is the challenge of the
  // handshake in progress; a repeated challenge of the current generation is answered again. Anything else: nullopt,
  // nothing changes.
  std::optional<std::vector<uint8_t>> HandlePacket(std::span<const uint8_t> packet);

  // Called when `deadline()` has passed: the bind to send again, or nullopt with the state kFailed after max_binds.
  std::optional<std::vector<uint8_t>> Tick(Instant now);
  std::optional<Instant> deadline() const;  // Only while kBindSent.

  State state() const { return state_; }
  uint32_t generation() const { return generation_; }

 private:
  std::vector<uint8_t> Packet(MessageType type, const Challenge& challenge) const;

  Options options_;
  State state_ = State::kIdle;
  uint32_t generation_ = 0;
  int binds_sent_ = 0;
  Instant deadline_{};
};

}  // namespace disco

#endif  // RELAYD_DISCO_CLIENT_HANDSHAKE_H_
