#include "relay/dataplane/train.h"

#include <gtest/gtest.h>

#include <vector>

#include "geneve/geneve.h"

namespace relay {
namespace {

constexpr geneve::Header kData{.vni = 0x123456, .protocol = geneve::kProtocolWireGuard, .version = 0, .control = false};

// Segments of `size` bytes with these headers; the last one is cut to `tail`.
std::vector<uint8_t> Bytes(const std::vector<geneve::Header>& headers, size_t size, size_t tail) {
  std::vector<uint8_t> out(headers.size() * size);
  for (size_t i = 0; i < headers.size(); ++i) {
    geneve::Write(headers[i], std::span(out).subspan(i * size).first<geneve::kHeaderSize>());
  }
  out.resize((headers.size() - 1) * size + tail);
  return out;
}

TEST(TrainTest, CountsSegments) {
  const std::vector<uint8_t> bytes(100);
  struct {
    size_t size;
    uint32_t gro;
    uint32_t segments;
    uint32_t segment_size;
  } const rows[] = {{0, 0, 1, 0},       {0, 50, 1, 0},    {100, 0, 1, 100}, {100, 100, 1, 100},
                    {100, 200, 1, 100}, {100, 50, 2, 50}, {100, 99, 2, 99}, {100, 1, 100, 1}};
  for (const auto& row : rows) {
    const Train train = Train::Of(std::span(bytes).first(row.size), row.gro);
    EXPECT_EQ(train.segments, row.segments) << row.size << " by " << row.gro;
    EXPECT_EQ(train.segment_size, row.segment_size) << row.size << " by " << row.gro;
  }
}

TEST(TrainTest, SlicesAreTrainsOfTheSameBytes) {
  const std::vector<uint8_t> bytes(250);
  const Train train = Train::Of(bytes, 100);
  const Train front = train.Slice(0, 2);
  EXPECT_EQ(front.segments, 2u);
  EXPECT_EQ(front.segment_size, 100u);
  EXPECT_EQ(front.bytes.size(), 200u);
  const Train tail = train.Slice(2, 2);
  EXPECT_EQ(tail.segments, 1u);
  EXPECT_EQ(tail.segment_size, 50u);
  EXPECT_EQ(tail.bytes.data(), bytes.data() + 200);
  EXPECT_EQ(tail.bytes.size(), 50u);
}

TEST(TrainTest, IsUniformIfEverySegmentIsDataOfOneVni) {
  geneve::Header other_vni = kData, control = kData, version = kData, other_protocol = kData;
  other_vni.vni ^= 1;
  control.control = true;
  version.version = 1;
  other_protocol.protocol = 0x1234;
  struct {
    const char* what;
    std::vector<geneve::Header> headers;
    size_t tail;
    bool uniform;
  } const rows[] = {
      {"equal", {kData, kData, kData}, 40, true},
      {"a short tail", {kData, kData, kData}, 8, true},
      {"a tail without a header", {kData, kData, kData}, 7, false},
      {"another protocol is relayed as well", {kData, other_protocol, kData}, 40, true},
      {"another VNI first", {other_vni, kData, kData}, 40, false},
      {"another VNI last", {kData, kData, other_vni}, 40, false},
      {"O set first", {control, kData, kData}, 40, false},
      {"O set everywhere", {control, control, control}, 40, false},
      {"O set last", {kData, kData, control}, 40, false},
      {"version 1", {kData, version, kData}, 40, false},
      {"version 1 everywhere", {version, version, version}, 40, false},
  };
  for (const auto& row : rows) {
    const std::vector<uint8_t> bytes = Bytes(row.headers, 40, row.tail);
    EXPECT_EQ(IsUniform(Train::Of(bytes, 40)), row.uniform) << row.what;
  }
}

TEST(TrainTest, ASingleDatagramIsDecidedAsItIs) {
  EXPECT_TRUE(IsUniform(Train::Of({}, 0)));
  const std::vector<uint8_t> odd(3, 0xff);
  EXPECT_TRUE(IsUniform(Train::Of(odd, 0)));
}

TEST(TrainTest, SegmentsTooSmallForAHeaderAreMixed) {
  const std::vector<uint8_t> zeros(70);
  EXPECT_FALSE(IsUniform(Train::Of(zeros, 7)));
  EXPECT_FALSE(IsUniform(Train::Of(zeros, 1)));
}

}  // namespace
}  // namespace relay
