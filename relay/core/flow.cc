#include "relay/core/flow.h"

namespace relay {

void Flow::Publish(const Ipv4Path& sender, const Ipv4Path& receiver) {
  const uint32_t sequence = sequence_.load(std::memory_order_relaxed);
  sequence_.store(sequence + 1, std::memory_order_relaxed);
  // Release, each: whoever reads one of these then reads the odd sequence, or a later one.
  constexpr auto kRelease = std::memory_order_release;
  sender_port_.store(sender.remote_port, kRelease);
  receiver_port_.store(receiver.remote_port, kRelease);
  local_port_.store(receiver.local_port, kRelease);
  remotes_.store(uint64_t{sender.remote_ip} | uint64_t{receiver.remote_ip} << 32, kRelease);
  sender_link_.store(sender.link, kRelease);
  receiver_link_.store(receiver.link, kRelease);
  local_ip_.store(receiver.local_ip, kRelease);
  sequence_.store(sequence + 2, kRelease);
}

}  // namespace relay
