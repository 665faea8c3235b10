// What measuring costs: ns a packet of each step that relay-bench takes for every one.
//
//   build/release/bench/measure/measure_bench
#include <benchmark/benchmark.h>

#include <random>
#include <vector>

#include "bench/measure/flow_tracker.h"
#include "bench/measure/latency_histogram.h"
#include "bench/measure/pacer.h"
#include "bench/measure/stamp.h"

namespace bench {
namespace {

constexpr uint32_t kRun = 7;
constexpr size_t kBuffers = 512;  // As a receive ring would have.

// Bodies by size, and whether the filler is covered.
void WriteStampBench(benchmark::State& state) {
  const auto size = static_cast<size_t>(state.range(0));
  const Coverage coverage = state.range(1) != 0 ? Coverage::kAll : Coverage::kHeader;
  std::vector<uint8_t> buffers(kBuffers * size);
  Stamp stamp = {.run = kRun, .flow = 0, .sequence = 0, .intended_ns = 0};
  for (auto _ : state) {
    ++stamp.sequence;
    stamp.intended_ns += 100;
    uint8_t* const at = &buffers[stamp.sequence % kBuffers * size];
    WriteStamp({at, size}, stamp, coverage);
    benchmark::DoNotOptimize(at);
    benchmark::ClobberMemory();
  }
}

void ReadStampBench(benchmark::State& state) {
  const auto size = static_cast<size_t>(state.range(0));
  const Coverage coverage = state.range(1) != 0 ? Coverage::kAll : Coverage::kHeader;
  std::vector<uint8_t> buffers(kBuffers * size);
  for (size_t i = 0; i < kBuffers; ++i) {
    WriteStamp({&buffers[i * size], size}, {.run = kRun, .flow = 3, .sequence = i, .intended_ns = 0}, coverage);
  }
  Stamp stamp;
  size_t next = 0;
  for (auto _ : state) {
    if (ReadStamp({&buffers[next++ % kBuffers * size], size}, kRun, stamp) != StampStatus::kOk) {
      return state.SkipWithError("not read");
    }
    benchmark::DoNotOptimize(stamp);
  }
}

void Sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"body", "all"})->ArgsProduct({{64, 562, 1280}, {0, 1}});
}
BENCHMARK(WriteStampBench)->Name("WriteStamp")->Apply(Sizes);
BENCHMARK(ReadStampBench)->Name("ReadStamp")->Apply(Sizes);

void Record(benchmark::State& state) {
  LatencyHistogram histogram;
  std::mt19937_64 random(1);
  std::lognormal_distribution<double> latency(10, 1);
  std::vector<int64_t> values(4096);
  for (int64_t& ns : values) ns = static_cast<int64_t>(latency(random));
  size_t next = 0;
  for (auto _ : state) histogram.Record(values[next++ % values.size()]);
  benchmark::DoNotOptimize(histogram.count());
}
BENCHMARK(Record);

void Summary(benchmark::State& state) {
  LatencyHistogram histogram;
  for (int64_t ns = 1; ns < 1'000'000; ns += 7) histogram.Record(ns);
  for (auto _ : state) benchmark::DoNotOptimize(histogram.Summary());
}
BENCHMARK(Summary);

// Flows at random, in bursts of 32 with prefetching.
void Track(benchmark::State& state) {
  const auto flows = static_cast<uint32_t>(state.range(0));
  FlowTracker tracker(flows);
  std::vector<uint64_t> sequences(flows);
  std::minstd_rand random;
  std::vector<uint32_t> order(1 << 16);
  for (uint32_t& flow : order) flow = static_cast<uint32_t>(random()) % flows;
  std::vector<uint64_t> place(order.size());  // The sequence of each packet: one more than its flow's last.
  for (size_t i = 0; i < order.size(); ++i) place[i] = sequences[order[i]]++;
  size_t next = 0;
  uint64_t laps = 0;
  for (auto _ : state) {
    for (size_t i = 0; i < 32; ++i) tracker.Prefetch(order[next + i]);
    for (size_t i = 0; i < 32; ++i) {
      const uint32_t flow = order[next + i];
      benchmark::DoNotOptimize(tracker.Record(flow, laps * 4096 + place[next + i], 72));
    }
    next = (next + 32) % order.size();
    laps += next == 0 ? 1 : 0;
  }
  state.counters["ns_per_packet"] = benchmark::Counter(static_cast<double>(state.iterations()) * 32 * 1e-9,
                                                       benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(Track)->ArgName("flows")->Arg(2)->Arg(2'000)->Arg(2'000'000);

// A look and the intended times of 32 packets.
void Pace(benchmark::State& state) {
  Pacer pacer({.per_second = 10e6, .burst = static_cast<uint32_t>(state.range(0))}, 0);
  int64_t now = 0;
  for (auto _ : state) {
    now += 3'200;
    const Pacer::Due due = pacer.Look(now, 32);
    for (uint32_t i = 0; i < due.count; ++i) benchmark::DoNotOptimize(pacer.IntendedNs(i));
    pacer.Sent(due.count);
  }
  state.counters["ns_per_packet"] = benchmark::Counter(static_cast<double>(state.iterations()) * 32 * 1e-9,
                                                       benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(Pace)->ArgName("burst")->Arg(1)->Arg(32);

}  // namespace
}  // namespace bench

BENCHMARK_MAIN();
