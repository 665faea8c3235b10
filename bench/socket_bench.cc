// CPU time per relayed packet and latency of relayd's socket workers, next to a bare forwarder in the same run: both on
// core 0 in turns, the generator on core 1. Prints one `NAME VALUE ratio` line a figure; lines with # say more.
#include <gflags/gflags.h>
#include <sched.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "bench/forwarder_process.h"
#include "bench/traffic.h"
#include "disco/key.h"

DEFINE_double(seconds, 30, "How long all of it may take, about");
DEFINE_int32(rounds, 7, "Turns that relayd and the bare forwarder take; the figures are medians");
DEFINE_string(only, "", "Measure only figures whose name holds this");
DEFINE_bool(sink_gro, true, "The clients take whole trains, as WireGuard's do (UDP_GRO)");

namespace bench {
namespace {

constexpr int kGeneratorCore = 1;
constexpr size_t kPairs = 100;
constexpr int kLatencyRate = 10'000;  // Datagrams a second.
constexpr Seconds kSettle{0.02};

struct Figure {
  const char* name;
  bool trains;
  size_t pairs;
};
constexpr Figure kFigures[] = {{"socket_gso_1_ratio", true, 1},
                               {"socket_gso_100_ratio", true, kPairs},
                               {"socket_plain_1_ratio", false, 1},
                               {"socket_plain_100_ratio", false, kPairs}};
constexpr uint16_t kSizes[] = {64, 1280};

bool Wanted(const char* name) { return std::string(name).find(FLAGS_only) != std::string::npos; }

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

// One forwarder's turns.
struct Turns {
  std::vector<double> ns_per_packet;
  std::vector<double> kpps;
  std::vector<double> batch;
  std::vector<double> p50_us;
  std::vector<double> p99_us;
};

// What is still queued in the forwarder goes out, so that the next one has the core to itself.
void Settle(const ClientPairs& pairs, const ForwarderProcess& forwarder) {
  uint64_t before = 0;
  for (uint64_t now = forwarder.Read().packets; now != before; now = forwarder.Read().packets) {
    before = now;
    const auto end = std::chrono::steady_clock::now() + kSettle;
    while (std::chrono::steady_clock::now() < end) pairs.Drain(pairs.size());
  }
}

void MeasureFlood(const ClientPairs& pairs, const ForwarderProcess& forwarder, const Traffic& traffic, Seconds turn,
                  Turns& out) {
  pairs.Connect(forwarder.port());
  Flood(pairs, traffic, turn * 0.1);  // Warm-up.
  const Snapshot begin = forwarder.Read();
  Flood(pairs, traffic, turn * 0.9);
  const Snapshot end = forwarder.Read();
  Settle(pairs, forwarder);
  const auto packets = static_cast<double>(end.packets - begin.packets);
  out.ns_per_packet.push_back(static_cast<double>(end.cpu_ns - begin.cpu_ns) / packets);
  out.kpps.push_back(packets / (turn.count() * 0.9) / 1000);
  out.batch.push_back(packets / static_cast<double>(end.receive_calls - begin.receive_calls));
}

void MeasureLatency(const ClientPairs& pairs, const ForwarderProcess& forwarder, Seconds turn, Turns& out) {
  pairs.Connect(forwarder.port());
  const auto latencies = Latencies(pairs, kLatencyRate, turn);
  Settle(pairs, forwarder);
  if (latencies.empty()) return;
  const auto at = [&](size_t percent) {
    return static_cast<double>(latencies[latencies.size() * percent / 100].count()) / 1000;
  };
  out.p50_us.push_back(at(50));
  out.p99_us.push_back(at(99));
}

// The median of the rounds' own ratios: neighbours in time share what else the machine does.
double Ratio(const std::vector<double>& relay, const std::vector<double>& bare) {
  std::vector<double> ratios;
  for (size_t i = 0; i < std::min(relay.size(), bare.size()); ++i) ratios.push_back(relay[i] / bare[i]);
  return Median(ratios);
}

void RunFigure(const ClientPairs& pairs, const ForwarderProcess& relay, const ForwarderProcess& bare,
               const Figure& figure, Seconds turn) {
  double worst = 0;
  for (const uint16_t bytes : kSizes) {
    const Traffic traffic{.trains = figure.trains, .pairs = figure.pairs, .bytes = bytes};
    Turns ours, theirs;
    for (int round = 0; round < FLAGS_rounds; ++round) {
      MeasureFlood(pairs, relay, traffic, turn, ours);
      MeasureFlood(pairs, bare, traffic, turn, theirs);
    }
    const double ratio = Ratio(ours.ns_per_packet, theirs.ns_per_packet);
    std::printf(
        "# %s %u B: %.3f; relayd %.0f ns/packet, %.0f kpps, %.0f a receive; bare %.0f ns/packet, %.0f kpps, %.0f\n",
        figure.name, bytes, ratio, Median(ours.ns_per_packet), Median(ours.kpps), Median(ours.batch),
        Median(theirs.ns_per_packet), Median(theirs.kpps), Median(theirs.batch));
    worst = std::max(worst, ratio);
  }
  std::printf("%s %.3f ratio\n", figure.name, worst);
  std::fflush(stdout);
}

void RunLatency(const ClientPairs& pairs, const ForwarderProcess& relay, const ForwarderProcess& bare, Seconds turn) {
  Turns ours, theirs;
  for (int round = 0; round < FLAGS_rounds; ++round) {
    MeasureLatency(pairs, relay, turn, ours);
    MeasureLatency(pairs, bare, turn, theirs);
  }
  std::printf("# latency at %d pps: relayd p50 %.1f us, p99 %.1f us; bare p50 %.1f us, p99 %.1f us\n", kLatencyRate,
              Median(ours.p50_us), Median(ours.p99_us), Median(theirs.p50_us), Median(theirs.p99_us));
  std::printf("latency_p50_ratio %.3f ratio\n", Ratio(ours.p50_us, theirs.p50_us));
  std::printf("latency_p99_ratio %.3f ratio\n", Ratio(ours.p99_us, theirs.p99_us));
}

void Run() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(kGeneratorCore, &cores);
  if (sched_setaffinity(0, sizeof(cores), &cores) != 0) std::perror("# no core for the generator");
  const ClientPairs pairs(kPairs, FLAGS_sink_gro);
  const auto relay = ForwarderProcess::Relay(pairs);
  const auto bare = ForwarderProcess::Bare(pairs);
  pairs.Bind(relay->port());

  const bool latency = Wanted("latency_p50_ratio") || Wanted("latency_p99_ratio");
  size_t parts = latency ? 1 : 0;
  for (const Figure& figure : kFigures) parts += Wanted(figure.name) ? std::size(kSizes) : 0;
  const Seconds turn{FLAGS_seconds / static_cast<double>(parts * 2 * static_cast<size_t>(FLAGS_rounds)) * 0.85};
  for (const Figure& figure : kFigures) {
    if (Wanted(figure.name)) RunFigure(pairs, *relay, *bare, figure, turn);
  }
  if (latency) RunLatency(pairs, *relay, *bare, turn);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  gflags::ParseCommandLineFlags(&argc, &argv, true);
  disco::InitCrypto();
  bench::Run();
}
