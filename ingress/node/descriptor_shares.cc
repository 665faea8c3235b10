#include "ingress/node/descriptor_shares.h"

#include <sys/resource.h>

#include <algorithm>

#include "ingress/node/funnel_manager.h"
#include "ingress/node/https_stats.h"
#include "ingress/node/peerapi_server.h"

namespace ingress {
namespace {

constexpr size_t kOwn = 64;  // Files, listeners, the loop's own.

}  // namespace

// An eighth for each of those that strangers hold at no cost; what is served gets the rest. Only a machine that allows
// few makes any of them less than its default.
DescriptorShares DescriptorShares::Of(size_t descriptors) {
  const size_t spare = descriptors > kOwn ? descriptors - kOwn : 0;
  DescriptorShares shares{};
  shares.peerapi = std::clamp<size_t>(spare / 8, 1, PeerApiServer::Options().max_connections);
  shares.files = std::clamp<size_t>(spare / 8, 1, OpenFiles::kMost);
  const size_t taken = shares.peerapi + shares.files;
  const size_t left = spare > taken ? spare - taken : 0;
  shares.active = std::clamp<size_t>(left / 2, 1, FunnelManager::Options().max_active);
  return shares;
}

size_t DescriptorShares::total() const { return kOwn + peerapi + files + 2 * active; }

size_t RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;  // What any system gives.
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : before;
}

}  // namespace ingress
