// One direction of an endpoint: what a data packet is decided by and counted in, in one cache line.
#ifndef RELAYD_RELAY_CORE_FLOW_H_
#define RELAYD_RELAY_CORE_FLOW_H_

#include <atomic>
#include <cstdint>

#include "relay/core/path.h"
#include "relay/core/time.h"

namespace relay {

// A Path over IPv4 without a VLAN tag, in registers.
struct Ipv4Path {
  uint32_t remote_ip = 0;  // Both as they stand in a packet.
  uint32_t local_ip = 0;
  uint16_t remote_port = 0;
  uint16_t local_port = 0;
  uint64_t link = 0;  // The MAC address as it lies in memory; above it, in the last two bytes, the link's port.

  static constexpr uint64_t kMac = (uint64_t{1} << 48) - 1;

  static bool Fits(const PathWords& path) {
    constexpr uint32_t kMapped = 0xffff0000;
    return ((path.remote_high | path.local_high) == 0) && static_cast<uint32_t>(path.remote_low) == kMapped &&
           static_cast<uint32_t>(path.local_low) == kMapped && static_cast<uint32_t>(path.remote_rest) == 0 &&
           path.vlan() == 0;
  }
  static Ipv4Path Of(const PathWords& path) {
    return {.remote_ip = path.remote_ipv4(),
            .local_ip = path.local_ipv4(),
            .remote_port = path.remote_port(),
            .local_port = path.local_port(),
            .link = LinkOf(path)};
  }
  static uint64_t LinkOf(const PathWords& path) {
    return uint64_t{path.mac_first()} | uint64_t{path.mac_rest()} << 16 | uint64_t{path.link_port()} << 48;
  }
  void Store(Path& path) const {
    constexpr uint64_t kMapped = 0xffff0000;
    const PathWords words = {.remote_high = 0,
                             .remote_low = kMapped | uint64_t{remote_ip} << 32,
                             .remote_rest = uint64_t{remote_port} << 32,
                             .local_high = 0,
                             .local_low = kMapped | uint64_t{local_ip} << 32,
                             .link = uint64_t{local_port} | uint64_t{link_port()} << 16 | link << 48,
                             .link_rest = (link & kMac) >> 16};
    words.Store(path);
  }
  uint16_t link_port() const { return static_cast<uint16_t>(link >> 48); }
};

inline constexpr Duration kLastSeenStep = std::chrono::milliseconds(250);

// From one leg, its sender, to the other. While both legs are bound by IPv4 without a tag it has both ends; otherwise
// the sender's alone, and where packets leave to stands in the other leg's Binding (endpoint.h). While a leg is not
// bound, or both are bound to one address, it has neither: then it counts only.
class alignas(64) Flow {
 public:
  // Is a packet that came by `from` the sender's? Then it leaves by `to`; `other_mac`: its frame came from another MAC
  // address than the sender is answered at, on the same port. False: no, or it does not say. Lock-free; any thread.
  [[gnu::always_inline]] bool Match(const Ipv4Path& from, Ipv4Path& to, bool& other_mac) const {
    const uint32_t before = sequence_.load(std::memory_order_acquire);
    const uint64_t remotes = high_.load(std::memory_order_acquire);
    const uint64_t sender_link = sender_link_.load(std::memory_order_acquire);
    to.link = low_.load(std::memory_order_acquire);
    to.local_ip = rest_.load(std::memory_order_acquire);
    to.local_port = port_or_vlan_.load(std::memory_order_acquire);
    to.remote_port = receiver_port_.load(std::memory_order_acquire);
    const uint16_t sender_port = sender_port_.load(std::memory_order_acquire);
    to.remote_ip = static_cast<uint32_t>(remotes >> 32);
    if ((before & 1) != 0 || sequence_.load(std::memory_order_relaxed) != before) [[unlikely]]
      return false;
    const uint64_t differing = sender_link ^ from.link;
    other_mac = differing != 0 && differing >> 48 == 0 && from.link_port() != 0;
    return static_cast<uint32_t>(remotes) == from.remote_ip && sender_port == from.remote_port && to.remote_port != 0;
  }

  // The same where the flow has only the sender.
  [[gnu::always_inline]] bool MatchSender(const Path& from, bool& other_mac) const {
    const uint32_t before = sequence_.load(std::memory_order_acquire);
    const uint64_t high = high_.load(std::memory_order_acquire);
    const uint64_t low = low_.load(std::memory_order_acquire);
    const uint64_t sender_link = sender_link_.load(std::memory_order_acquire);
    const uint32_t scope = rest_.load(std::memory_order_acquire);
    const uint16_t vlan = port_or_vlan_.load(std::memory_order_acquire);
    const uint16_t port = sender_port_.load(std::memory_order_acquire);
    const bool has_receiver = receiver_port_.load(std::memory_order_acquire) != 0;
    if ((before & 1) != 0 || sequence_.load(std::memory_order_relaxed) != before) [[unlikely]]
      return false;
    PathWords words = PathWords::Of(from);
    const uint64_t link = Ipv4Path::LinkOf(words);
    other_mac = link != sender_link && (link ^ sender_link) >> 48 == 0 && link >> 48 != 0 && vlan == words.vlan();
    const uint64_t rest = uint64_t{scope} | uint64_t{port} << 32;
    return ((high ^ words.remote_high) | (low ^ words.remote_low) | (rest ^ words.remote_rest)) == 0 && port != 0 &&
           !has_receiver;
  }

  // What was sent by the sender and passed on, written without locked instructions. False: this worker does not own the
  // leg, and counts elsewhere (Endpoint::CountSent).
  bool CountSent(uint16_t worker, uint32_t packets, size_t bytes) {
    if (owner.load(std::memory_order_relaxed) != worker) [[unlikely]]
      return false;
    owner_packets.store(owner_packets.load(std::memory_order_relaxed) + packets, std::memory_order_relaxed);
    owner_bytes.store(owner_bytes.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
    return true;
  }
  // The sender has been heard of. Stored ahead of time, so that it is written once in kLastSeenStep and not a packet.
  void Touch(int64_t now_ns) {
    if (last_seen_ns.load(std::memory_order_relaxed) > now_ns) [[likely]]
      return;
    last_seen_ns.store(now_ns + kLastSeenStep.count(), std::memory_order_relaxed);
  }

  // Under the endpoint's lock.
  void Publish(const Ipv4Path& sender, const Ipv4Path& receiver);
  void PublishSender(const Path& sender);
  void Clear() { Publish({}, {}); }

  // Of the sender. Any worker stores last_seen_ns, rounded up so that rounding only lengthens life.
  std::atomic<int64_t> last_seen_ns{0};
  std::atomic<uint64_t> owner_packets{0};
  std::atomic<uint64_t> owner_bytes{0};
  std::atomic<uint16_t> owner{0};  // Worker id: the one that first bound the leg. Written once, before that.

 private:
  // Published behind the sequence word as Binding's are, which is odd while they are written. In two forms:
  //
  //                   both ends, IPv4                          the sender alone
  //   sender_port_    the sender's                             the same; 0: not even that
  //   receiver_port_  the receiver's                           0
  //   port_or_vlan_   ours, that the receiver is answered from the sender's VLAN
  //   rest_           our address, likewise                    the sender's scope
  //   high_, low_     the sender's address and above it the    the sender's address
  //                   receiver's; the receiver's link
  //   sender_link_    the sender's                             the same
  struct Words {
    uint16_t sender_port = 0;
    uint16_t receiver_port = 0;
    uint16_t port_or_vlan = 0;
    uint32_t rest = 0;
    uint64_t high = 0;
    uint64_t low = 0;
    uint64_t sender_link = 0;
  };
  void Write(const Words& words);

  std::atomic<uint16_t> sender_port_{0};
  std::atomic<uint16_t> receiver_port_{0};
  std::atomic<uint16_t> port_or_vlan_{0};
  std::atomic<uint64_t> high_{0};
  std::atomic<uint64_t> low_{0};
  std::atomic<uint64_t> sender_link_{0};
  std::atomic<uint32_t> rest_{0};
  std::atomic<uint32_t> sequence_{0};
};
static_assert(sizeof(Flow) == 64);

}  // namespace relay

#endif  // RELAYD_RELAY_CORE_FLOW_H_
