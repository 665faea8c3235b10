// ParseFrame and WriteOuter for bursts of 32 frames of 114 bytes: what a packet costs apart from the core and the NIC.
#include <benchmark/benchmark.h>

#include <array>
#include <cstring>
#include <vector>

#include "relay/dataplane/frame.h"
#include "tests/support/packet_builder.h"

namespace relay {
namespace {

constexpr size_t kBurst = 32;
constexpr size_t kFrameBytes = 114;
constexpr size_t kHeadroom = 128;
constexpr size_t kBuffers = 1024;  // As a receive ring has: not all in the first-level cache.
constexpr MacAddress kOwn = {2, 0, 0, 0, 0, 0x77};

using Buffer = std::array<uint8_t, 512>;

Path Towards(bool ipv4) {
  Path to;
  to.remote = test::AddrOf(ipv4 ? "198.18.1.9:2001" : "[2001:db8:1::9]:2002");
  to.local_ip = test::AddrOf(ipv4 ? test::kRelay4 : test::kRelay6).ip;
  to.local_port = test::kRelayPort;
  to.link = {.port = 1, .vlan = 0, .mac = test::kClientMac};
  return to;
}

class Frames {
 public:
  explicit Frames(bool ipv4) : buffers_(kBuffers) {
    test::PacketRow row;
    if (!ipv4) {
      row.from = test::kClient6;
      row.to = test::kRelay6;
    }
    row.payload = test::GeneveData(1, kFrameBytes - (ipv4 ? 42 : 62) - 8);
    head_ = test::Build(row);
    head_.resize(kMaxHeaderBytes);
    for (Buffer& buffer : buffers_) std::memcpy(Frame(buffer), head_.data(), head_.size());
  }
  static uint8_t* Frame(Buffer& buffer) { return buffer.data() + kHeadroom; }
  // The next burst, its headers as they came.
  Buffer* Next() {
    Buffer* const burst = &buffers_[at_];
    at_ = (at_ + kBurst) % kBuffers;
    return burst;
  }
  void Restore(Buffer* burst) const {
    for (size_t i = 0; i < kBurst; ++i) std::memcpy(Frame(burst[i]), head_.data(), head_.size());
  }

 private:
  std::vector<Buffer> buffers_;
  test::Bytes head_;
  size_t at_ = 0;
};

// Arguments: IPv4 in, IPv4 out; what is done (0: the frames are only restored, to be subtracted; 1: parsed; 2: written
// too).
void ParseAndWrite(benchmark::State& state) {
  const AddressSet ours(std::vector<IpBytes>{test::AddrOf(test::kRelay4).ip, test::AddrOf(test::kRelay6).ip});
  FrameContext context;
  context.udp_port = test::kRelayPort;
  context.link_port = 1;
  context.Use(ours);
  Frames frames(state.range(0) != 0);
  const Path to = Towards(state.range(1) != 0);
  const int64_t stages = state.range(2);
  std::array<Frame, kBurst> parsed;
  size_t relayed = 0;
  for (auto _ : state) {
    Buffer* const burst = frames.Next();
    if (stages >= 1) {
      for (size_t i = 0; i < kBurst; ++i) {
        ParseFrame({Frames::Frame(burst[i]), kMaxHeaderBytes}, kFrameBytes, context, parsed[i]);
      }
    }
    if (stages >= 2) {
      for (size_t i = 0; i < kBurst; ++i) {
        relayed += parsed[i].fate == Frame::Fate::kRelay ? 1 : 0;
        uint8_t* const udp = Frames::Frame(burst[i]) + parsed[i].udp_offset;
        benchmark::DoNotOptimize(WriteOuter(parsed[i], to, kOwn, udp - OuterBytes(to)));
      }
    }
    // For when the ring comes round: what was stored just now must not be what is loaded.
    frames.Restore(burst);
    benchmark::ClobberMemory();
  }
  const auto packets = static_cast<int64_t>(kBurst) * static_cast<int64_t>(state.iterations());
  if (stages >= 2 && relayed != static_cast<size_t>(packets)) state.SkipWithError("not all frames are the relay's");
  state.SetItemsProcessed(packets);
  state.counters["per_packet"] =
      benchmark::Counter(static_cast<double>(packets), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(ParseAndWrite)->ArgNames({"v4_in", "v4_out", "stages"})->ArgsProduct({{1, 0}, {1, 0}, {0, 1, 2}});

}  // namespace
}  // namespace relay

BENCHMARK_MAIN();
