// Disco keys: X25519, as NaCl box uses them.
#ifndef RELAYD_DISCO_KEY_H_
#define RELAYD_DISCO_KEY_H_

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace disco {

inline constexpr size_t kKeySize = 32;

struct PublicKey {
  std::array<uint8_t, kKeySize> bytes{};

  bool IsZero() const;
  std::string ToString() const;   // discokey:<64 lower-case hex>
  std::string ShortText() const;  // d:<16 hex>
  // Takes upper-case hex too, as Go's key.DiscoPublic.UnmarshalText does. nullopt: not of that form.
  static std::optional<PublicKey> Parse(std::string_view text);

  friend bool operator==(const PublicKey&, const PublicKey&) = default;
  friend auto operator<=>(const PublicKey&, const PublicKey&) = default;  // Byte-wise: the order of ClientDisco.
};

// The box key of one pair of keys (crypto_box_beforenm). Zeroed on destruction; copied only on purpose.
class SharedKey {
 public:
  SharedKey() = default;
  explicit SharedKey(std::span<const uint8_t, kKeySize> bytes);
  SharedKey(const SharedKey&) = default;
  SharedKey& operator=(const SharedKey&) = default;
  ~SharedKey();
  const std::array<uint8_t, kKeySize>& bytes() const { return bytes_; }

 private:
  std::array<uint8_t, kKeySize> bytes_{};
};

// A private key. Zeroed on destruction, moved but never copied.
class PrivateKey {
 public:
  static PrivateKey Generate();
  // `privkey:<64 hex>`, the form of key files (`relayctl keygen`); surrounding white space is ignored.
  static std::optional<PrivateKey> Parse(std::string_view text);
  static PrivateKey FromBytes(std::span<const uint8_t, kKeySize> bytes);

  PrivateKey(PrivateKey&& other) noexcept;
  PrivateKey& operator=(PrivateKey&& other) noexcept;
  PrivateKey(const PrivateKey&) = delete;
  PrivateKey& operator=(const PrivateKey&) = delete;
  ~PrivateKey();

  const PublicKey& public_key() const { return public_; }
  std::string ToString() const;  // privkey:<64 hex>; the caller guards it.
  // crypto_box_beforenm, about 36 us: never on the packet path. nullopt: a low-order key, which it refuses.
  std::optional<SharedKey> Agree(const PublicKey& peer) const;

 private:
  PrivateKey() = default;
  std::array<uint8_t, kKeySize> bytes_{};
  PublicKey public_;
};

// Starts libsodium; called before anything else here, any number of times. Aborts if libsodium cannot start.
void InitCrypto();

}  // namespace disco

#endif  // RELAYD_DISCO_KEY_H_
