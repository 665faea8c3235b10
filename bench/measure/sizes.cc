#include "bench/measure/sizes.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "bench/measure/stamp.h"

namespace bench {
namespace {

constexpr std::string_view kImix = "64:7,570:4,1400:1";

struct Weighted {
  uint16_t size;
  uint32_t weight;
};

absl::StatusOr<uint16_t> ParseSize(absl::string_view text) {
  constexpr size_t kMaxPayload = kMaxBody + 8;
  uint32_t size = 0;
  if (!absl::SimpleAtoi(text, &size) || size < kMinPayload || size > kMaxPayload) {
    return absl::InvalidArgumentError(
        absl::StrCat("packet size \"", text, "\": a UDP payload is ", kMinPayload, " to ", kMaxPayload, " bytes"));
  }
  return static_cast<uint16_t>(size);
}

absl::StatusOr<Weighted> ParseWeighted(absl::string_view text) {
  const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(text, absl::MaxSplits(':', 1));
  const absl::StatusOr<uint16_t> size = ParseSize(parts.first);
  if (!size.ok()) return size.status();
  uint32_t weight = 1;
  const bool weighted = parts.first.size() != text.size();
  if (weighted && (!absl::SimpleAtoi(parts.second, &weight) || weight == 0 || weight > 1'000'000)) {
    return absl::InvalidArgumentError(
        absl::StrCat("packet size \"", text, "\": a weight is a number from 1 to 1000000"));
  }
  return Weighted{*size, weight};
}

// Each size's turns are spread evenly: in every step each earns its weight, and who has earned most pays the whole.
std::vector<uint16_t> Interleave(const std::vector<Weighted>& sizes, uint32_t total) {
  std::vector<int64_t> credit(sizes.size(), 0);
  std::vector<uint16_t> cycle;
  for (uint32_t i = 0; i < total; ++i) {
    for (size_t k = 0; k < sizes.size(); ++k) credit[k] += sizes[k].weight;
    const auto richest = std::max_element(credit.begin(), credit.end());
    *richest -= total;
    cycle.push_back(sizes[static_cast<size_t>(richest - credit.begin())].size);
  }
  return cycle;
}

}  // namespace

absl::StatusOr<SizeMix> SizeMix::Parse(std::string_view spec) {
  constexpr std::string_view kFixed = "fixed:";
  if (spec.starts_with(kFixed)) {
    const std::string_view text = spec.substr(kFixed.size());
    const absl::StatusOr<uint16_t> size = ParseSize({text.data(), text.size()});
    if (!size.ok()) return size.status();
    return Fixed(*size);
  }
  if (spec == "imix") spec = kImix;
  std::vector<Weighted> sizes;
  uint32_t divisor = 0;
  for (const absl::string_view text : absl::StrSplit(absl::string_view(spec.data(), spec.size()), ',')) {
    const absl::StatusOr<Weighted> one = ParseWeighted(text);
    if (!one.ok()) return one.status();
    divisor = std::gcd(divisor, one->weight);
    sizes.push_back(*one);
  }
  uint64_t total = 0;
  for (Weighted& one : sizes) total += one.weight /= divisor;
  if (total > kMaxCycle) {
    return absl::InvalidArgumentError(
        absl::StrCat("packet sizes: weights add up to ", total, " in their lowest terms; ", kMaxCycle, " is the most"));
  }
  return SizeMix(Interleave(sizes, static_cast<uint32_t>(total)));
}

double SizeMix::mean() const {
  return std::accumulate(cycle_.begin(), cycle_.end(), 0.0) / static_cast<double>(cycle_.size());
}

uint16_t SizeMix::largest() const { return *std::max_element(cycle_.begin(), cycle_.end()); }

}  // namespace bench
