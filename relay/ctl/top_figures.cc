#include "relay/ctl/top_figures.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>
#include <utility>

#include "absl/strings/numbers.h"

namespace relay::ctl {
namespace {

constexpr const char* kFamilies[] = {"udp4", "udp6"};

using ByLabel = std::map<std::string, double>;

std::string LabelOf(const Sample& sample, const std::string& label) {
  const auto found = sample.labels.find(label);
  return found == sample.labels.end() ? std::string() : found->second;
}

// The sum of a name's series for each value of one of their labels.
ByLabel SumsBy(const Metrics& metrics, std::string_view name, const std::string& label) {
  ByLabel sums;
  for (const Sample& sample : metrics.Named(name)) sums[LabelOf(sample, label)] += sample.value;
  return sums;
}

// The same for each value of another label.
std::map<std::string, ByLabel> SumsBy(const Metrics& metrics, std::string_view name, const std::string& outer,
                                      const std::string& label) {
  std::map<std::string, ByLabel> sums;
  for (const Sample& sample : metrics.Named(name)) {
    sums[LabelOf(sample, outer)][LabelOf(sample, label)] += sample.value;
  }
  return sums;
}

std::optional<double> Find(const ByLabel& values, const std::string& key) {
  const auto found = values.find(key);
  if (found == values.end()) return std::nullopt;
  return found->second;
}

double ValueOf(const ByLabel& values, const std::string& key) { return Find(values, key).value_or(0); }

class Rates {
 public:
  Rates(const Metrics& before, const Metrics& after, double seconds)
      : before_(before), after_(after), seconds_(seconds) {}

  double Of(std::string_view name) const { return Rate(before_.Sum(name), after_.Sum(name)); }
  // One for each value of the label that the second sample has.
  ByLabel By(std::string_view name, const std::string& label) const {
    ByLabel rates = SumsBy(after_, name, label);
    Rate(SumsBy(before_, name, label), rates);
    return rates;
  }
  std::map<std::string, ByLabel> By(std::string_view name, const std::string& outer, const std::string& label) const {
    std::map<std::string, ByLabel> before = SumsBy(before_, name, outer, label);
    std::map<std::string, ByLabel> rates = SumsBy(after_, name, outer, label);
    for (auto& [key, values] : rates) Rate(before[key], values);
    return rates;
  }

 private:
  // Of sums, in their place.
  void Rate(const ByLabel& before, ByLabel& after) const {
    for (auto& [key, value] : after) value = Rate(ValueOf(before, key), value);
  }
  double Rate(double before, double after) const { return std::max(0.0, (after - before) / seconds_); }

  const Metrics& before_;
  const Metrics& after_;
  const double seconds_;
};

// The start time is one number as long as the process lives. Without it, counters that fell tell.
bool HasRestarted(const Metrics& before, const Metrics& after) {
  static constexpr std::string_view kReceived = "relayd_received_packets_total";
  return before.Sum("process_start_time_seconds") != after.Sum("process_start_time_seconds") ||
         after.Sum(kReceived) < before.Sum(kReceived);
}

void ReadForwarded(const Rates& rates, const std::string& label, std::array<TopFigures::Traffic, 2>& out) {
  const ByLabel packets = rates.By("relayd_forwarded_packets_total", label);
  const ByLabel bytes = rates.By("relayd_forwarded_bytes_total", label);
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = {.packets = ValueOf(packets, kFamilies[i]), .bytes = ValueOf(bytes, kFamilies[i])};
  }
}

std::vector<TopFigures::Drop> MostFirst(const ByLabel& by_reason) {
  std::vector<TopFigures::Drop> drops;
  for (const auto& [reason, packets] : by_reason) {
    if (packets > 0) drops.push_back({.reason = reason, .packets = packets});
  }
  std::stable_sort(drops.begin(), drops.end(), [](const auto& a, const auto& b) { return a.packets > b.packets; });
  return drops;
}

// Of a histogram's buckets, each of which counts those below it too.
std::vector<TopFigures::BurstShare> BurstShares(const ByLabel& by_bound) {
  std::map<double, double> counts;
  for (const auto& [text, count] : by_bound) {
    double bound = 0;
    if (absl::SimpleAtod(text, &bound) && !std::isnan(bound)) counts[bound] += count;
  }
  if (counts.empty() || counts.rbegin()->second <= 0) return {};
  const double all = counts.rbegin()->second;
  std::vector<TopFigures::BurstShare> shares;
  double below = 0;
  for (const auto& [bound, count] : counts) {
    shares.push_back({.most = bound, .share = std::max(0.0, count - below) / all});
    below = count;
  }
  return shares;
}

void ReadTotals(const Rates& rates, TopFigures& top) {
  top.received = rates.Of("relayd_received_packets_total");
  top.to_kernel = rates.Of("relayd_to_kernel_packets_total");
  top.dropped = rates.Of("relayd_dropped_packets_total");
  top.socket_overflow = rates.Of("relayd_socket_overflow_packets_total");
  top.drops = MostFirst(rates.By("relayd_dropped_packets_total", "reason"));
  top.forwarded = {.packets = rates.Of("relayd_forwarded_packets_total"),
                   .bytes = rates.Of("relayd_forwarded_bytes_total")};
  ReadForwarded(rates, "transport_in", top.forwarded_in);
  ReadForwarded(rates, "transport_out", top.forwarded_out);
  const ByLabel handshakes = rates.By("relayd_handshakes_total", "result");
  top.challenged = ValueOf(handshakes, "challenged");
  top.bound = ValueOf(handshakes, "bound");
  top.rebound = ValueOf(handshakes, "rebound");
  top.allocated = ValueOf(rates.By("relayd_allocations_total", "result"), "created");
}

std::optional<double> Ratio(std::optional<double> part, std::optional<double> whole) {
  if (!part || !whole || *whole <= 0) return std::nullopt;
  return *part / *whole;
}

void ReadWorkers(const Rates& rates, const Metrics& after, TopFigures& top) {
  const auto by_worker = [&](std::string_view name) { return rates.By(name, "worker"); };
  const ByLabel received = by_worker("relayd_worker_received_packets_total");
  const ByLabel calls = by_worker("relayd_worker_receive_calls_total");
  const ByLabel busy_seconds = by_worker("relayd_worker_busy_seconds_total");
  const ByLabel seconds = by_worker("relayd_worker_seconds_total");
  const ByLabel busy_packets = by_worker("relayd_worker_busy_packets_total");
  const ByLabel sleeps = by_worker("relayd_worker_sleeps_total");
  const ByLabel bursts = by_worker("relayd_port_burst_packets_count");
  const ByLabel burst_packets = by_worker("relayd_port_burst_packets_sum");
  auto drops = rates.By("relayd_worker_dropped_packets_total", "worker", "reason");
  auto buckets = rates.By("relayd_port_burst_packets_bucket", "worker", "le");
  const double hertz = after.Sum("relayd_tsc_hertz");
  for (const Sample& sample : after.Named("relayd_worker_received_packets_total")) {
    const std::string name = LabelOf(sample, "worker");
    const bool polls = seconds.contains(name);
    std::vector<TopFigures::Drop> dropped = MostFirst(drops[name]);
    if (top.dpdk && !polls && sample.value == 0 && dropped.empty()) continue;
    TopFigures::Worker worker{.name = name,
                              .packets = ValueOf(received, name),
                              .drops = std::move(dropped),
                              .bursts = BurstShares(buckets[name])};
    if (polls) {
      worker.busy = Ratio(Find(busy_seconds, name), Find(seconds, name));
      if (const auto cost = Ratio(Find(busy_seconds, name), Find(busy_packets, name))) {
        worker.cycles_per_packet = *cost * hertz;
      }
      worker.burst = Ratio(Find(burst_packets, name), Find(bursts, name));
      worker.sleeps = Find(sleeps, name);
    } else {
      worker.burst = Ratio(Find(received, name), Find(calls, name));
    }
    top.workers.push_back(std::move(worker));
  }
}

void ReadPorts(const Rates& rates, const Metrics& after, TopFigures& top) {
  const auto by_port = [&](std::string_view name) { return rates.By(name, "port"); };
  const auto now = [&](std::string_view name) { return SumsBy(after, name, "port"); };
  const ByLabel up = now("relayd_port_link_up");
  const ByLabel speed = now("relayd_port_link_speed_bytes");
  const ByLabel in_use = now("relayd_port_pool_in_use_buffers");
  const ByLabel pool = now("relayd_port_pool_buffers");
  const ByLabel received = by_port("relayd_port_received_packets_total");
  const ByLabel sent = by_port("relayd_port_sent_packets_total");
  const ByLabel missed = by_port("relayd_port_missed_packets_total");
  const ByLabel receive_errors = by_port("relayd_port_receive_errors_total");
  const ByLabel transmit_errors = by_port("relayd_port_transmit_errors_total");
  const ByLabel no_mbuf = by_port("relayd_port_no_mbuf_packets_total");
  const ByLabel tx_full = by_port("relayd_port_tx_full_packets_total");
  for (const Sample& sample : after.Named("relayd_port_info")) {
    const std::string name = LabelOf(sample, "port");
    top.ports.push_back({.name = name,
                         .driver = LabelOf(sample, "driver"),
                         .up = ValueOf(up, name) != 0,
                         .speed_bits = ValueOf(speed, name) * 8,
                         .received = ValueOf(received, name),
                         .sent = ValueOf(sent, name),
                         .missed = ValueOf(missed, name),
                         .errors = ValueOf(receive_errors, name) + ValueOf(transmit_errors, name),
                         .no_mbuf = ValueOf(no_mbuf, name),
                         .tx_full = ValueOf(tx_full, name),
                         .pool_share = Ratio(Find(in_use, name), Find(pool, name)).value_or(0)});
  }
}

}  // namespace

TopFigures ComputeTop(const Metrics& before, const Metrics& after, double seconds) {
  TopFigures top;
  for (const Sample& sample : after.Named("relayd_build_info")) top.version = LabelOf(sample, "version");
  top.dpdk = !after.Named("relayd_port_info").empty();
  top.endpoints_open = after.Sum("relayd_endpoints", "state", "open");
  top.endpoints_connecting = after.Sum("relayd_endpoints", "state", "connecting");
  top.endpoints_limit = after.Sum("relayd_endpoints_limit");
  top.restarted = HasRestarted(before, after);
  if (top.restarted) return top;
  const Rates rates(before, after, seconds);
  ReadTotals(rates, top);
  ReadWorkers(rates, after, top);
  ReadPorts(rates, after, top);
  return top;
}

}  // namespace relay::ctl
