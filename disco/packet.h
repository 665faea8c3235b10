// A Disco packet: magic, the sender's public key, nonce, NaCl box (tailscale disco package, LooksLikeDiscoWrapper).
#ifndef RELAYD_DISCO_PACKET_H_
#define RELAYD_DISCO_PACKET_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "disco/key.h"

namespace disco {

inline constexpr std::array<uint8_t, 6> kMagic = {0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac};  // "TS", then U+1F4AC.
inline constexpr size_t kNonceSize = 24;
inline constexpr size_t kTagSize = 16;
inline constexpr size_t kWrapperSize = kMagic.size() + kKeySize + kNonceSize;  // 62: what stands before the box.
inline constexpr size_t kSealedOverhead = kWrapperSize + kTagSize;

using Nonce = std::array<uint8_t, kNonceSize>;

enum class WrapperError : uint8_t { kNone, kShort, kBadMagic };

// The clear front of a packet. Spans point into the bytes it was read from.
struct Wrapper {
  PublicKey sender;
  Nonce nonce{};
  std::span<const uint8_t> box;  // Tag, then ciphertext; may be shorter than a tag.
};

// Reads the clear front: length first, then magic. `error`, if given, tells which of the two was wrong.
std::optional<Wrapper> ReadWrapper(std::span<const uint8_t> packet, WrapperError* error = nullptr);

// Opens `box` into `out` (at least box.size() - kTagSize bytes) and returns the clear text within `out`; nullopt if it
// was not sealed with `key` or does not fit. About 0.6 us.
std::optional<std::span<const uint8_t>> Open(const Wrapper& wrapper, const SharedKey& key, std::span<uint8_t> out);

// Writes the whole packet into `out`; returns its size, or 0 if it does not fit.
size_t Seal(const PublicKey& sender, const SharedKey& key, const Nonce& nonce, std::span<const uint8_t> clear,
            std::span<uint8_t> out);

// Fills with libsodium's randomness.
Nonce RandomNonce();

}  // namespace disco

#endif  // RELAYD_DISCO_PACKET_H_
