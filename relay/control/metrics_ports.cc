// What poll-mode workers and their ports count, by worker and port. A worker's label is its number, as in metrics.cc.
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "relay/control/metrics_family.h"

namespace relay::metrics {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

// Calls `add` for each worker and port.
void ForEachShare(const PortFigures& figures, const std::function<void(Labels, const PortCounters&)>& add) {
  for (size_t worker = 0; worker < figures.by_worker.size(); ++worker) {
    for (size_t port = 0; port < figures.ports.size(); ++port) {
      add({{"worker", std::to_string(worker)}, {"port", figures.ports[port]->name}}, *figures.by_worker[worker][port]);
    }
  }
}

MetricFamily Shares(const PortFigures& figures, std::string_view name, std::string_view help,
                    Counter PortCounters::*counter) {
  MetricFamily family = Family(name, help, MetricType::Counter);
  ForEachShare(figures, [&](Labels labels, const PortCounters& share) {
    Add(family, std::move(labels), (share.*counter).Get());
  });
  return family;
}

MetricFamily Bursts(const PortFigures& figures) {
  MetricFamily family = Family("relayd_port_burst_packets",
                               "Frames that one receive returned; empty ones are not counted.", MetricType::Histogram);
  ForEachShare(figures, [&](Labels labels, const PortCounters& share) {
    ClientMetric& metric = family.metric.emplace_back();
    metric.label = std::move(labels);
    ClientMetric::Histogram& histogram = metric.histogram;
    // The count is that of the buckets and not bursts_total, so that it fits them while the worker goes on counting.
    for (size_t i = 0; i < kBurstBuckets; ++i) {
      histogram.sample_count += share.bursts[i].Get();
      const bool last = i + 1 == kBurstBuckets;
      const double bound = last ? std::numeric_limits<double>::infinity() : static_cast<double>(size_t{1} << i);
      histogram.bucket.push_back({.cumulative_count = histogram.sample_count, .upper_bound = bound});
    }
    histogram.sample_sum = static_cast<double>(share.received.Get());
  });
  return family;
}

void CollectShares(const PortFigures& figures, std::vector<MetricFamily>& out) {
  out.push_back(Shares(figures, "relayd_port_received_packets_total", "Frames that a worker took from a port.",
                       &PortCounters::received));
  out.push_back(Shares(figures, "relayd_port_sent_packets_total", "Frames of all kinds that a worker sent by a port.",
                       &PortCounters::sent));
  out.push_back(Shares(figures, "relayd_port_tx_full_packets_total",
                       "Frames that a worker dropped because the port's transmit queue was full.",
                       &PortCounters::tx_full));
  out.push_back(Shares(figures, "relayd_port_from_kernel_packets_total",
                       "Frames of the kernel's that a worker sent by a port.", &PortCounters::from_kernel));
  out.push_back(Bursts(figures));
}

// A series a poll-mode worker.
MetricFamily PerWorker(const PortFigures& figures, std::string_view name, std::string_view help, MetricType type,
                       const std::function<double(const PollCounters&)>& read) {
  MetricFamily family = Family(name, help, type);
  for (size_t i = 0; i < figures.workers.size(); ++i) {
    AddValue(family, {{"worker", std::to_string(i)}}, read(*figures.workers[i]));
  }
  return family;
}

void CollectPolls(const PortFigures& figures, std::vector<MetricFamily>& out) {
  const auto total = [&](std::string_view name, std::string_view help, Counter PollCounters::*counter) {
    out.push_back(PerWorker(figures, name, help, MetricType::Counter,
                            [counter](const PollCounters& c) { return static_cast<double>((c.*counter).Get()); }));
  };
  const double hertz = figures.cycles_per_second;
  const auto seconds = [&](std::string_view name, std::string_view help, Counter PollCounters::*cycles) {
    out.push_back(PerWorker(figures, name, help, MetricType::Counter, [=](const PollCounters& c) {
      return hertz > 0 ? static_cast<double>((c.*cycles).Get()) / hertz : 0;
    }));
  };
  total("relayd_worker_polls_total", "Turns of a poll-mode worker's loop.", &PollCounters::polls);
  total("relayd_worker_empty_polls_total", "Turns that received nothing.", &PollCounters::empty_polls);
  total("relayd_worker_busy_packets_total", "Frames received in turns that received something.",
        &PollCounters::packets);
  total("relayd_worker_sleeps_total", "Naps of an idle poll-mode worker (--idle).", &PollCounters::sleeps);
  seconds("relayd_worker_busy_seconds_total", "Time in turns that received something.", &PollCounters::busy_cycles);
  seconds("relayd_worker_seconds_total",
          "Time since the worker began, asleep or not: its busy share is the rate of "
          "relayd_worker_busy_seconds_total over the rate of this.",
          &PollCounters::total_cycles);
  out.push_back(PerWorker(figures, "relayd_worker_cycles_per_packet",
                          "TSC cycles of a received frame, all in, since the start; 0 before the first.",
                          MetricType::Gauge, [](const PollCounters& c) {
                            const uint64_t packets = c.packets.Get();
                            return packets == 0
                                       ? 0
                                       : static_cast<double>(c.busy_cycles.Get()) / static_cast<double>(packets);
                          }));
  AddValue(out.emplace_back(Family("relayd_tsc_hertz", "Cycles of the TSC in a second: what makes cycles of seconds.",
                                   MetricType::Gauge)),
           {}, hertz);
}

// A series a port.
MetricFamily PerPort(const PortFigures& figures, std::string_view name, std::string_view help, MetricType type,
                     Counter PortGauges::*gauge, double unit = 1) {
  MetricFamily family = Family(name, help, type);
  for (const auto& port : figures.ports) {
    AddValue(family, {{"port", port->name}}, static_cast<double>((port->gauges.*gauge).Get()) * unit);
  }
  return family;
}

void CollectGauges(const PortFigures& figures, std::vector<MetricFamily>& out) {
  MetricFamily& info =
      out.emplace_back(Family("relayd_port_info", "Always 1; the driver is in its label.", MetricType::Gauge));
  for (const auto& port : figures.ports) Add(info, {{"port", port->name}, {"driver", port->driver}}, 1);

  static constexpr double kBytesPerMbit = 1e6 / 8;
  out.push_back(
      PerPort(figures, "relayd_port_link_up", "1 if the port's link is up.", MetricType::Gauge, &PortGauges::link_up));
  out.push_back(PerPort(figures, "relayd_port_link_speed_bytes", "Speed of the link in bytes a second; 0: not known.",
                        MetricType::Gauge, &PortGauges::link_mbps, kBytesPerMbit));
  out.push_back(PerPort(figures, "relayd_port_link_changes_total",
                        "Times that the link went up or down; its first coming up is one.", MetricType::Counter,
                        &PortGauges::link_changes));
  out.push_back(PerPort(figures, "relayd_port_mtu_bytes", "Largest IP packet that the relay sends by the port.",
                        MetricType::Gauge, &PortGauges::mtu));
  out.push_back(PerPort(figures, "relayd_port_kernel_interface",
                        "1 if the kernel has an interface on the port: AF_XDP's, or its TAP.", MetricType::Gauge,
                        &PortGauges::kernel_interface));
  out.push_back(PerPort(figures, "relayd_port_missed_packets_total",
                        "Frames that the port lost because the workers had left no receive descriptor free.",
                        MetricType::Counter, &PortGauges::missed));
  out.push_back(PerPort(figures, "relayd_port_receive_errors_total", "Frames that the port received with errors.",
                        MetricType::Counter, &PortGauges::receive_errors));
  out.push_back(PerPort(figures, "relayd_port_no_mbuf_packets_total",
                        "Frames that the port lost for want of packet buffers.", MetricType::Counter,
                        &PortGauges::no_mbuf));
  out.push_back(PerPort(figures, "relayd_port_transmit_errors_total", "Frames that the port could not send.",
                        MetricType::Counter, &PortGauges::transmit_errors));
  out.push_back(PerPort(figures, "relayd_port_pool_in_use_buffers",
                        "Packet buffers of the port's pool that are in use, those that wait in its queues included.",
                        MetricType::Gauge, &PortGauges::pool_in_use));
  out.push_back(PerPort(figures, "relayd_port_pool_buffers", "Packet buffers of the port's pool.", MetricType::Gauge,
                        &PortGauges::pool_size));
}

void CollectKernel(const KernelFrames& kernel, std::vector<MetricFamily>& out) {
  MetricFamily& frames = out.emplace_back(
      Family("relayd_kernel_path_frames_total",
             "Frames by the TAP interfaces: dropped are those that the kernel refused, and those from it that were "
             "larger than the port's MTU.",
             MetricType::Counter));
  Add(frames, {{"direction", "to_kernel"}, {"result", "passed"}}, kernel.to_tap.Get());
  Add(frames, {{"direction", "to_kernel"}, {"result", "dropped"}}, kernel.to_tap_refused.Get());
  Add(frames, {{"direction", "from_kernel"}, {"result", "passed"}}, kernel.from_tap.Get());
  Add(frames, {{"direction", "from_kernel"}, {"result", "dropped"}}, kernel.from_tap_dropped.Get());
}

}  // namespace

void CollectPorts(const PortFigures& figures, std::vector<MetricFamily>& out) {
  CollectPolls(figures, out);
  CollectShares(figures, out);
  CollectGauges(figures, out);
  if (figures.kernel != nullptr) CollectKernel(*figures.kernel, out);
}

}  // namespace relay::metrics
