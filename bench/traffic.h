// The generator: what it sends through a forwarder, and what it sees come out.
#ifndef RELAYD_BENCH_TRAFFIC_H_
#define RELAYD_BENCH_TRAFFIC_H_

#include <chrono>
#include <cstdint>
#include <vector>

#include "bench/client_pairs.h"

namespace bench {

using Seconds = std::chrono::duration<double>;

struct Traffic {
  bool trains;  // GSO trains, or plain datagrams, interleaved one by one among the pairs.
  size_t pairs;
  uint16_t bytes;  // Of each UDP payload, Geneve header included.
};

// Sends as fast as this thread can for `duration`, and keeps the sinks empty.
void Flood(const ClientPairs& pairs, const Traffic& traffic, Seconds duration);

// Sends 64-byte datagrams of the first pair at `per_second`, and returns how long each took to the sink, sorted.
std::vector<std::chrono::nanoseconds> Latencies(const ClientPairs& pairs, int per_second, Seconds duration);

}  // namespace bench

#endif  // RELAYD_BENCH_TRAFFIC_H_
