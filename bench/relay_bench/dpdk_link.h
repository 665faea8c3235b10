// Datagrams as frames over DPDK's ports, built and taken apart here.
#ifndef RELAYD_BENCH_RELAY_BENCH_DPDK_LINK_H_
#define RELAYD_BENCH_RELAY_BENCH_DPDK_LINK_H_

#include <memory>

#include "absl/status/statusor.h"
#include "bench/relay_bench/link.h"
#include "bench/relay_bench/options.h"

namespace bench {

// Starts EAL, opens all its ports and waits for their links. Leg i is at port i % (number of ports): with two, first
// clients are at the first. Once a process.
absl::StatusOr<std::unique_ptr<Link>> OpenDpdkLink(const DpdkIoOptions& options, uint32_t legs, relay::Duration wait);

}  // namespace bench

#endif  // RELAYD_BENCH_RELAY_BENCH_DPDK_LINK_H_
