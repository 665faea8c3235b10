#include "relay/dataplane/port_watch.h"

#include <chrono>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "relay/core/token_bucket.h"

namespace relay {
namespace {

// A link that flaps says so each time we look, and many ports may do that at once.
constexpr TokenBucket kLines = TokenBucket::Of(1, 30);

}  // namespace

PortWatch::PortWatch(Ports& ports, KernelPath* kernel_path, PortFigures& figures, Tell tell)
    : ports_(ports),
      kernel_path_(kernel_path),
      figures_(figures),
      tell_(std::move(tell)),
      seen_(figures.ports.size()) {}

void PortWatch::Look() {
  for (size_t i = 0; i < seen_.size(); ++i) {
    PortGauges& gauges = figures_.ports[i]->gauges;
    ports_.Read(i, gauges);
    LookAtInterface(i);
    LookAtLink(i);
    gauges.mtu.Set(ports_.ports()[i].mtu.Get());
  }
  first_ = false;
}

void PortWatch::LookAtInterface(size_t i) {
  const uint32_t index = ports_.ports()[i].kernel_interface.Get();
  if (index == 0) return;
  const std::optional<KernelInterface> kernel = ReadKernelInterface(index);
  figures_.ports[i]->gauges.kernel_interface.Set(kernel ? 1 : 0);
  if (!kernel) return Miss(i);
  seen_[i].interface = kernel->name;
  seen_[i].gone = false;
  LookAtMtu(i, *kernel);
}

// Only what changes is followed: with --mtu some drivers' interfaces stay as they were.
void PortWatch::LookAtMtu(size_t i, const KernelInterface& kernel) {
  const uint16_t before = std::exchange(seen_[i].kernel_mtu, kernel.mtu);
  if (kernel.mtu == 0 || before == 0 || kernel.mtu == before) return;
  const uint16_t mtu = ports_.SetMtu(i, kernel.mtu);
  const bool less = mtu < kernel.mtu;
  Say(less, i,
      absl::StrCat(
          "MTU ", mtu, ", after that of ", kernel.name, ", which went from ", before, " to ", kernel.mtu,
          less ? ": the port takes no more, by its driver or by the --mbuf_size that it was set up with" : ""));
}

// Its interface is not there. A TAP interface may be elsewhere, in another network namespace, and works on.
void PortWatch::Miss(size_t i) {
  Seen& seen = seen_[i];
  const bool told = std::exchange(seen.gone, true);
  const Port& port = ports_.ports()[i];
  const std::string name = seen.interface.empty() ? "its interface" : seen.interface;
  if (port.steered) {
    if (!told)
      Say(true, i, absl::StrCat(name, " is gone, and nothing comes or goes: start relayd again once it is back"));
    return;
  }
  if (kernel_path_ == nullptr || !kernel_path_->IsGone(static_cast<uint16_t>(i))) {
    seen.gone = told;  // Perhaps in a moment.
    return;
  }
  const absl::StatusOr<uint32_t> made = kernel_path_->MakeAnew(static_cast<uint16_t>(i), port);
  if (made.ok()) {
    ports_.ports()[i].kernel_interface.Set(*made);
    seen.kernel_mtu = 0;
    seen.gone = false;
    figures_.ports[i]->gauges.kernel_interface.Set(1);
    return Say(true, i,
               absl::StrCat(name, " was gone and was made anew: its addresses and routes have to be set again"));
  }
  if (told) return;
  Say(true, i,
      absl::StrCat(name, " is gone, and nothing reaches the kernel by this port; it is tried to make it anew, but: ",
                   std::string(made.status().message())));
}

void PortWatch::LookAtLink(size_t i) {
  const bool up = figures_.ports[i]->gauges.link_up.Get() != 0;
  if (std::exchange(seen_[i].link_up, up) == up || first_ || seen_[i].gone) return;
  Say(!up, i, up ? "the link is up" : "the link is down");
}

void PortWatch::Say(bool bad, size_t i, const std::string& what) {
  if (!tell_ || !kLines.Take(bucket_ns_, std::chrono::steady_clock::now())) return;
  const Port& port = ports_.ports()[i];
  tell_(bad, absl::StrCat(port.name, " (", port.driver, "): ", what));
}

}  // namespace relay
