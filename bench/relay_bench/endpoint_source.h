// Where endpoints come from: an allocating server, or a file of endpoints that were allocated before.
#ifndef RELAYD_BENCH_RELAY_BENCH_ENDPOINT_SOURCE_H_
#define RELAYD_BENCH_RELAY_BENCH_ENDPOINT_SOURCE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/relay_bench/pairs.h"
#include "relay/core/time.h"

namespace bench {

// Hands out endpoints for pairs 0, 1, 2, ... in any order. The engine's thread calls.
class EndpointSource {
 public:
  virtual ~EndpointSource() = default;
  // `count` more may be on their way: how the engine bounds what is allocated and not bound yet.
  virtual void Allow(uint32_t count) = 0;
  // What has come since; an error ends the run.
  virtual absl::StatusOr<std::vector<Allocated>> Take() = 0;
  // How many the server answered with a refusal that asks for patience.
  virtual uint64_t refused() const = 0;
};

// Allocates for pairs [0, pairs) of the ring over keep-alive connections, one request under way on each, in a thread of
// its own. The ring outlives it, and all its keys are there. An error: a URL that is none, or not http.
struct HttpSourceOptions {
  std::string url;
  std::string token;
  uint32_t connections = 16;
  uint32_t pairs = 1;
  relay::Duration wait{};  // For the server to come up.
};
absl::StatusOr<std::unique_ptr<EndpointSource>> AllocateOverHttp(const HttpSourceOptions& options, const Keyring& keys);

// Reads a file that relay-bench saved, and puts its keys into the ring. An error: a line that is none, with its number,
// or fewer than `pairs` lines. `pair_keys[i]` gets the keys of pair i.
absl::StatusOr<std::unique_ptr<EndpointSource>> ReadEndpoints(const std::string& path, uint32_t pairs, Keyring& keys,
                                                              std::vector<std::array<uint32_t, 2>>& pair_keys);

}  // namespace bench

#endif  // RELAYD_BENCH_RELAY_BENCH_ENDPOINT_SOURCE_H_
