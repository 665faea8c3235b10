// How many connections the descriptors of the process allow.
#ifndef RELAYD_INGRESS_FRONTEND_DESCRIPTOR_BUDGET_H_
#define RELAYD_INGRESS_FRONTEND_DESCRIPTOR_BUDGET_H_

#include <algorithm>
#include <cstdint>

namespace ingress {

struct DescriptorBudget {
  uint64_t connections;
  uint64_t pipes;  // In all; a connection without one copies.

  // For the relay, the API and files.
  static constexpr uint64_t kOthers = 512;
  // 16 MiB of the kernel's memory, and a quarter of what a user may have in pipes before they shrink.
  static constexpr uint64_t kMostPipes = 256;
  static constexpr uint64_t kLeastConnections = 16;

  // `descriptors`: RLIMIT_NOFILE. A connection has two.
  static constexpr DescriptorBudget Of(uint64_t descriptors) {
    const uint64_t pipes = std::min(kMostPipes, descriptors / 64);
    const uint64_t taken = kOthers + 2 * pipes;
    const uint64_t left = descriptors > taken ? descriptors - taken : 0;
    return {.connections = std::max(kLeastConnections, left / 2), .pipes = pipes};
  }
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_FRONTEND_DESCRIPTOR_BUDGET_H_
