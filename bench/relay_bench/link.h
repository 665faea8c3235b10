// How relay-bench gets datagrams out and in: the engine makes and takes UDP payloads, a Link carries them in bursts.
#ifndef RELAYD_BENCH_RELAY_BENCH_LINK_H_
#define RELAYD_BENCH_RELAY_BENCH_LINK_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "disco/addr_port.h"
#include "relay/core/time.h"

namespace bench {

inline constexpr uint32_t kUnknownLeg = UINT32_MAX;
inline constexpr uint32_t kMaxBurst = 64;

// Room for one datagram: the engine fills `payload`, which has `capacity` bytes, and sets the rest.
struct Outgoing {
  uint8_t* payload;
  uint32_t size;
  uint32_t leg;  // Whose address it is sent from.
  void* handle;  // The link's.
};

struct Incoming {
  const uint8_t* payload;
  uint32_t size;
  uint32_t leg;  // Whose address it came to; kUnknownLeg: an address that several legs share, or nobody's.
};

// One thread.
class Link {
 public:
  virtual ~Link() = default;

  // What a payload's room is for. Filler is a stamped packet whose filler nobody writes (Coverage::kHeader), so that a
  // link may know its checksum: such rooms are used for nothing else.
  enum class Use : uint8_t { kAny, kFiller };
  // Room for up to `count` datagrams (kMaxBurst at most), fewer if there is none. Valid until Send.
  virtual std::span<Outgoing> Prepare(uint32_t count, Use use) = 0;
  // Sends the first `count` of what Prepare gave, in order; returns how many were taken. The others are gone.
  virtual uint32_t Send(uint32_t count) = 0;
  // What has come. Valid until the next Receive.
  virtual std::span<const Incoming> Receive() = 0;
  // Sleeps until something may have come or `until`; may return at once.
  virtual void Wait(relay::Instant until) = 0;

  // Where all packets go. Before anything is sent.
  virtual absl::Status SetRelay(const disco::AddrPort& relay) = 0;
  // Of one datagram.
  virtual uint32_t max_payload() const = 0;
  // What a reader of figures should know of it: one line each.
  virtual std::vector<std::string> Notes() const = 0;
};

}  // namespace bench

#endif  // RELAYD_BENCH_RELAY_BENCH_LINK_H_
