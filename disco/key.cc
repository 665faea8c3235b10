#include "disco/key.h"

#include <sodium.h>

#include <algorithm>
#include <cstdlib>

namespace disco {
namespace {

static_assert(kKeySize == crypto_box_PUBLICKEYBYTES && kKeySize == crypto_box_SECRETKEYBYTES &&
              kKeySize == crypto_box_BEFORENMBYTES);

constexpr std::string_view kPublicPrefix = "discokey:";
constexpr std::string_view kShortPrefix = "d:";
constexpr std::string_view kPrivatePrefix = "privkey:";
constexpr size_t kShortBytes = 8;
constexpr std::string_view kWhiteSpace = " \t\r\n";

std::string Hex(std::string_view prefix, std::span<const uint8_t> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(prefix.size() + 2 * bytes.size());
  out += prefix;
  for (const uint8_t byte : bytes) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// `prefix`, then exactly 64 hex digits.
bool ParseHex(std::string_view prefix, std::string_view text, std::array<uint8_t, kKeySize>& out) {
  if (text.size() != prefix.size() + 2 * kKeySize || !text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  for (size_t i = 0; i < kKeySize; ++i) {
    const int high = HexDigit(text[2 * i]);
    const int low = HexDigit(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    out[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return true;
}

}  // namespace

bool PublicKey::IsZero() const { return bytes == std::array<uint8_t, kKeySize>{}; }

std::string PublicKey::ToString() const { return Hex(kPublicPrefix, bytes); }

std::string PublicKey::ShortText() const { return Hex(kShortPrefix, std::span(bytes).first<kShortBytes>()); }

std::optional<PublicKey> PublicKey::Parse(std::string_view text) {
  PublicKey key;
  if (!ParseHex(kPublicPrefix, text, key.bytes)) return std::nullopt;
  return key;
}

SharedKey::SharedKey(std::span<const uint8_t, kKeySize> bytes) { std::ranges::copy(bytes, bytes_.begin()); }

SharedKey::~SharedKey() { sodium_memzero(bytes_.data(), bytes_.size()); }

PrivateKey PrivateKey::Generate() {
  PrivateKey key;
  crypto_box_keypair(key.public_.bytes.data(), key.bytes_.data());
  // The form that Go's keys have (RFC 7748 section 5); X25519 does the same on use, so the public key stands.
  key.bytes_[0] &= 248;
  key.bytes_[31] = static_cast<uint8_t>((key.bytes_[31] & 127) | 64);
  return key;
}

PrivateKey PrivateKey::FromBytes(std::span<const uint8_t, kKeySize> bytes) {
  PrivateKey key;
  std::ranges::copy(bytes, key.bytes_.begin());
  crypto_scalarmult_base(key.public_.bytes.data(), key.bytes_.data());
  return key;
}

std::optional<PrivateKey> PrivateKey::Parse(std::string_view text) {
  const size_t first = text.find_first_not_of(kWhiteSpace);
  if (first == text.npos) return std::nullopt;
  text = text.substr(first, text.find_last_not_of(kWhiteSpace) + 1 - first);
  PrivateKey key;  // Its destructor wipes what a refused text leaves behind.
  if (!ParseHex(kPrivatePrefix, text, key.bytes_)) return std::nullopt;
  crypto_scalarmult_base(key.public_.bytes.data(), key.bytes_.data());
  return key;
}

PrivateKey::PrivateKey(PrivateKey&& other) noexcept : bytes_(other.bytes_), public_(other.public_) {
  sodium_memzero(other.bytes_.data(), other.bytes_.size());
}

PrivateKey& PrivateKey::operator=(PrivateKey&& other) noexcept {
  if (this == &other) return *this;
  bytes_ = other.bytes_;
  public_ = other.public_;
  sodium_memzero(other.bytes_.data(), other.bytes_.size());
  return *this;
}

PrivateKey::~PrivateKey() { sodium_memzero(bytes_.data(), bytes_.size()); }

std::string PrivateKey::ToString() const { return Hex(kPrivatePrefix, bytes_); }

std::optional<SharedKey> PrivateKey::Agree(const PublicKey& peer) const {
  std::array<uint8_t, kKeySize> shared;
  if (crypto_box_beforenm(shared.data(), peer.bytes.data(), bytes_.data()) != 0) return std::nullopt;
  std::optional<SharedKey> key(std::in_place, shared);
  sodium_memzero(shared.data(), shared.size());
  return key;
}

void InitCrypto() {
  if (sodium_init() < 0) std::abort();
}

}  // namespace disco
