#include "relay/core/flow.h"

namespace relay {

void Flow::Publish(const Ipv4Path& sender, const Ipv4Path& receiver) {
  Write({.sender_port = sender.remote_port,
         .receiver_port = receiver.remote_port,
         .port_or_vlan = receiver.local_port,
         .rest = receiver.local_ip,
         .high = uint64_t{sender.remote_ip} | uint64_t{receiver.remote_ip} << 32,
         .low = receiver.link,
         .sender_link = sender.link});
}

void Flow::PublishSender(const Path& sender) {
  const PathWords words = PathWords::Of(sender);
  Write({.sender_port = sender.remote.port,
         .receiver_port = 0,
         .port_or_vlan = sender.link.vlan,
         .rest = sender.remote.scope,
         .high = words.remote_high,
         .low = words.remote_low,
         .sender_link = Ipv4Path::LinkOf(words)});
}

void Flow::Write(const Words& words) {
  const uint32_t sequence = sequence_.load(std::memory_order_relaxed);
  sequence_.store(sequence + 1, std::memory_order_relaxed);
  // Release, each: whoever reads one of these then reads the odd sequence, or a later one.
  constexpr auto kRelease = std::memory_order_release;
  sender_port_.store(words.sender_port, kRelease);
  receiver_port_.store(words.receiver_port, kRelease);
  port_or_vlan_.store(words.port_or_vlan, kRelease);
  rest_.store(words.rest, kRelease);
  high_.store(words.high, kRelease);
  low_.store(words.low, kRelease);
  sender_link_.store(words.sender_link, kRelease);
  sequence_.store(sequence + 2, kRelease);
}

}  // namespace relay
