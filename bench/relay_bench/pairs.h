// The clients that relay-bench plays: few keys, of which any two make a pair, and an endpoint for each pair.
#ifndef RELAYD_BENCH_RELAY_BENCH_PAIRS_H_
#define RELAYD_BENCH_RELAY_BENCH_PAIRS_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "disco/key.h"
#include "disco/messages.h"

namespace bench {

// A leg is one client of one pair: 2 * pair + (0 or 1). A flow (measure/stamp.h) has the number of the leg that sends.
constexpr uint32_t OtherLeg(uint32_t leg) { return leg ^ 1; }

// The fewest keys of which `pairs` pairs can be made: 1,415 for a million.
uint32_t KeysFor(uint32_t pairs);
// The two keys of a pair: all pairs (0,1), (0,2), (1,2), (0,3), ... in this order; another pair of keys for each.
std::array<uint32_t, 2> KeysOfPair(uint32_t pair);

// Private keys, and what each of them shares with the servers that were met: X25519 takes 36 us, so once a key.
class Keyring {
 public:
  uint32_t Add(disco::PrivateKey key);
  uint32_t size() const { return static_cast<uint32_t>(keys_.size()); }
  const disco::PrivateKey& key(uint32_t index) const { return keys_[index]; }
  const disco::PublicKey& public_key(uint32_t index) const { return keys_[index].public_key(); }
  // An error: the server's key is of low order.
  absl::StatusOr<disco::SharedKey> Shared(uint32_t index, uint32_t server);
  // Index of a server's key; few are expected.
  uint32_t Server(const disco::PublicKey& key);
  const disco::PublicKey& server(uint32_t index) const { return servers_[index].key; }

 private:
  struct ServerKeys {
    disco::PublicKey key;
    std::vector<disco::SharedKey> shared;  // By client key; zero until needed.
    std::vector<bool> known;
  };
  std::vector<disco::PrivateKey> keys_;
  std::vector<ServerKeys> servers_;
};

// 16 bytes a pair.
struct Pair {
  uint32_t vni = 0;  // 0: not allocated.
  uint32_t server = 0;
  std::array<uint32_t, 2> keys{};
};

// An endpoint as the server gave it out, with the keys of its clients.
struct Allocated {
  uint32_t pair = 0;
  disco::RelayEndpoint endpoint;
};

// One line of an endpoint file: {"Endpoint":{...},"PrivateKeys":["privkey:...","privkey:..."]}.
struct SavedEndpoint {
  disco::RelayEndpoint endpoint;
  std::array<std::string, 2> private_keys;
};
std::string SavedEndpointToJson(const disco::RelayEndpoint& endpoint, const disco::PrivateKey& a,
                                const disco::PrivateKey& b);
absl::StatusOr<SavedEndpoint> ParseSavedEndpoint(const std::string& line);

}  // namespace bench

#endif  // RELAYD_BENCH_RELAY_BENCH_PAIRS_H_
