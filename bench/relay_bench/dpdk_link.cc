#include "bench/relay_bench/dpdk_link.h"
namespace bench {
absl::StatusOr<std::unique_ptr<Link>> OpenDpdkLink(const DpdkIoOptions&, uint32_t, relay::Duration) {
  return absl::UnimplementedError("not yet");
}
}  // namespace bench
