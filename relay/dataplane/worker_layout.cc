#include "relay/dataplane/worker_layout.h"

#include <algorithm>

#include "relay/dataplane/threads.h"

namespace relay {

std::vector<int> WorkerCores(const DpdkOptions& options) {
  if (!options.cores.empty()) return options.cores;
  std::vector<int> cores = AllowedCores();
  if (cores.size() > options.workers) cores.erase(cores.begin(), cores.end() - options.workers);
  cores.resize(std::min<size_t>(cores.size(), options.workers));
  return cores;
}

std::optional<uint16_t> QueueOf(uint32_t worker, uint32_t workers, size_t port, uint16_t queues) {
  if (queues >= workers) return static_cast<uint16_t>(worker);
  const auto queue = static_cast<uint32_t>((worker + workers - port % workers) % workers);
  if (queue >= queues) return std::nullopt;
  return static_cast<uint16_t>(queue);
}

}  // namespace relay
