// The keyed functions of a production server: BLAKE2b under randomness of this process's own.
#include <sodium.h>

#include "geneve/wire.h"
#include "relay/core/relay_server.h"

namespace relay {
namespace {

using Secret = ServerCrypto::Secret;

ServerCrypto::Mac KeyedBlake2b(const Secret& secret, std::span<const uint8_t> message) {
  ServerCrypto::Mac mac;
  crypto_generichash(mac.data(), mac.size(), message.data(), message.size(), secret.data(), secret.size());
  return mac;
}

// Two root secrets, so that what one derives says nothing of the other. Zeroed on destruction.
struct Roots {
  Roots() {
    randombytes_buf(mac.data(), mac.size());
    randombytes_buf(first_dialect.data(), first_dialect.size());
  }
  Roots(const Roots&) = default;
  Roots& operator=(const Roots&) = delete;
  ~Roots() {
    sodium_memzero(mac.data(), mac.size());
    sodium_memzero(first_dialect.data(), first_dialect.size());
  }
  Secret mac;
  Secret first_dialect;
};

}  // namespace

ServerCrypto ServerCrypto::Production() {
  disco::InitCrypto();
  const Roots roots;
  ServerCrypto crypto;
  crypto.mac = KeyedBlake2b;
  // Derived rather than stored, so that workers agree on a period's secret without writing anything that they share.
  crypto.mac_secret = [roots](int64_t period) {
    std::array<uint8_t, 8> message{};
    wire::Writer(message).U64(static_cast<uint64_t>(period));
    return KeyedBlake2b(roots.mac, message);
  };
  crypto.first_dialect_challenge = [roots](const Endpoint& endpoint, int leg) {
    std::array<uint8_t, 13> message{};
    wire::Writer writer(message);
    writer.U64(endpoint.lamport_id());
    writer.U32(endpoint.vni());
    writer.U8(static_cast<uint8_t>(leg));
    return KeyedBlake2b(roots.first_dialect, message);
  };
  crypto.nonce = disco::RandomNonce;
  return crypto;
}

}  // namespace relay
