// Where UDP_SEGMENT sends (GSO) are worth trying: not on kernels that corrupt them, and for a while not towards a
// destination whose way out has just refused one.
#ifndef RELAYD_RELAY_DATAPLANE_GSO_H_
#define RELAYD_RELAY_DATAPLANE_GSO_H_

#include <array>
#include <cerrno>
#include <cstdint>
#include <string_view>

#include "relay/core/path.h"
#include "relay/core/time.h"

namespace relay {

// True for Linux 7.0 to 7.1.4, which corrupt trains whose last segment is as long as the others. `release` is uname's.
bool KernelCorruptsTrains(std::string_view release);

// Errors by which the kernel says that it cannot segment a train (no checksum offload, path MTU, an old limit), while
// each of its datagrams may well pass.
inline bool RefusesTrain(int error) { return error == EINVAL || error == EIO || error == EMSGSIZE; }

// Destinations that refused a train and took the same datagrams one by one. Remembered per destination and from that
// segment size up, so that nobody can switch trains off for others, and not for long: routes and offloads change. One
// thread.
class GsoRefusals {
 public:
  static constexpr Duration kLifetime = std::chrono::seconds(5);

  bool Allows(const Path& to, uint32_t segment_size, Instant now) const {
    if (now >= last_until_) return true;  // Nobody has refused lately: the usual case.
    const Entry& entry = entries_[Index(to)];
    return now >= entry.until || entry.to != to.remote || segment_size < entry.segment_size;
  }
  // May push another destination out, which is then tried again.
  void Refuse(const Path& to, uint32_t segment_size, Instant now) {
    last_until_ = now + kLifetime;
    entries_[Index(to)] = {.to = to.remote, .segment_size = segment_size, .until = last_until_};
  }

 private:
  struct Entry {
    AddrPort to;
    uint32_t segment_size = 0;
    Instant until{};
  };
  static constexpr size_t kEntries = 1024;
  static size_t Index(const Path& to);

  std::array<Entry, kEntries> entries_{};
  Instant last_until_{};
};

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_GSO_H_
