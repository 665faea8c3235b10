// Packet sizes: which, how often, in what order.
//
// A size is that of the UDP payload, Geneve header included (an Ethernet frame over IPv4 has 42 bytes more, over IPv6
// 62), from kMinPayload, below which no stamp fits.
//
//   fixed:72              every packet
//   imix                  64:7,570:4,1400:1, the simple IMIX of 64, 570 and 1500 in these terms: the largest fits 1500
//   bytes
//                         of IPv6 with VLAN tag and tunnel to spare
//   64:7,570:4,1400:1     sizes with weights; without weights, 1 each
#ifndef RELAYD_BENCH_MEASURE_SIZES_H_
#define RELAYD_BENCH_MEASURE_SIZES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace bench {

class SizeMix {
 public:
  static constexpr uint32_t kMaxCycle = 4096;  // Weights, in their lowest terms, add up to no more.

  static SizeMix Fixed(uint16_t payload_bytes) { return SizeMix({payload_bytes}); }
  static absl::StatusOr<SizeMix> Parse(std::string_view spec);

  // The size of the i-th packet: the same in every run, each size as evenly spread as its weight allows.
  uint16_t At(uint64_t i) const { return cycle_[i % cycle_.size()]; }
  // The sequence itself, which then begins again; for those who count without a division.
  const std::vector<uint16_t>& cycle() const { return cycle_; }
  double mean() const;
  uint16_t largest() const;

 private:
  explicit SizeMix(std::vector<uint16_t> cycle) : cycle_(std::move(cycle)) {}

  std::vector<uint16_t> cycle_;
};

}  // namespace bench

#endif  // RELAYD_BENCH_MEASURE_SIZES_H_
