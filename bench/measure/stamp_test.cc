#include "bench/measure/stamp.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace bench {
namespace {

constexpr uint32_t kRun = 0x5eed'0001;
const Stamp kStamp = {.run = kRun, .flow = FlowOf(123'456, 1), .sequence = 0x1'0000'0007, .intended_ns = 1'234'567'890};

std::vector<uint8_t> Written(size_t size, Coverage coverage, const Stamp& stamp = kStamp) {
  std::vector<uint8_t> body(size, 0xee);
  WriteStamp(body, stamp, coverage);
  return body;
}

StampStatus StatusOf(const std::vector<uint8_t>& body, uint32_t run = kRun) {
  Stamp stamp;
  return ReadStamp(body, run, stamp);
}

TEST(StampTest, IsReadAsItWasWritten) {
  for (const size_t size : {kMinBody, size_t{41}, size_t{64}, size_t{562}, size_t{1392}, size_t{9000}, kMaxBody}) {
    for (const Coverage coverage : {Coverage::kHeader, Coverage::kAll}) {
      const std::vector<uint8_t> body = Written(size, coverage);
      Stamp stamp;
      ASSERT_EQ(ReadStamp(body, kRun, stamp), StampStatus::kOk) << size;
      EXPECT_EQ(stamp, kStamp);
    }
  }
}

TEST(StampTest, FlowsArePairsAndDirections) {
  EXPECT_EQ(PairOf(kStamp.flow), 123'456U);
  EXPECT_EQ(DirectionOf(kStamp.flow), 1U);
  EXPECT_EQ(FlowOf(0, 1) + 1, FlowOf(1, 0));
}

TEST(StampTest, EveryFlippedBitIsNoticed) {
  const std::vector<uint8_t> good = Written(200, Coverage::kAll);
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::vector<uint8_t> body = good;
    body[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    // A flip in the run's bits could also be another run; but the checksum knows.
    EXPECT_EQ(StatusOf(body), StampStatus::kCorrupt) << bit;
  }
}

TEST(StampTest, RandomDamageIsNoticed) {
  std::mt19937 random(3);
  const std::vector<uint8_t> good = Written(300, Coverage::kAll);
  for (int i = 0; i < 20'000; ++i) {
    std::vector<uint8_t> body = good;
    const size_t at = random() % body.size();
    const size_t end = std::min(body.size(), at + 1 + random() % 40);
    for (size_t k = at; k < end; ++k) body[k] = static_cast<uint8_t>(random());
    if (body == good) continue;
    EXPECT_NE(StatusOf(body), StampStatus::kOk);
  }
}

TEST(StampTest, ACutOrGrownBodyIsCorrupt) {
  const std::vector<uint8_t> good = Written(100, Coverage::kAll);
  for (size_t size = 32; size < good.size(); ++size) {
    EXPECT_EQ(StatusOf({good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)}), StampStatus::kCorrupt);
  }
  std::vector<uint8_t> grown = good;
  grown.push_back(0);  // As Ethernet padding that was not cut.
  EXPECT_EQ(StatusOf(grown), StampStatus::kCorrupt);
}

TEST(StampTest, APieceOfAnotherPacketIsCorrupt) {
  const std::vector<uint8_t> one = Written(200, Coverage::kAll);
  Stamp next = kStamp;
  ++next.sequence;
  Stamp neighbour = kStamp;
  neighbour.flow += 2;
  for (const Stamp& stamp : {next, neighbour}) {
    const std::vector<uint8_t> other = Written(200, Coverage::kAll, stamp);
    for (const size_t at : {size_t{0}, size_t{32}, size_t{100}, size_t{190}}) {
      std::vector<uint8_t> spliced = one;
      const auto from = static_cast<std::ptrdiff_t>(at);
      std::copy(other.begin() + from, other.begin() + from + 10, spliced.begin() + from);
      if (spliced != one) {
        EXPECT_NE(StatusOf(spliced), StampStatus::kOk) << at;
      }
      EXPECT_TRUE(at == 0 || spliced != one) << at;
    }
  }
}

TEST(StampTest, HeaderCoverageLeavesTheFillerAlone) {
  std::vector<uint8_t> body = Written(64, Coverage::kHeader);
  EXPECT_EQ(body[40], 0xee);
  body[40] ^= 1;
  EXPECT_EQ(StatusOf(body), StampStatus::kOk);
  body[20] ^= 1;
  EXPECT_EQ(StatusOf(body), StampStatus::kCorrupt);
}

TEST(StampTest, OthersAreNotOurs) {
  EXPECT_EQ(StatusOf(Written(64, Coverage::kAll), kRun + 1), StampStatus::kNotOurs);
  EXPECT_EQ(StatusOf({}), StampStatus::kNotOurs);
  std::mt19937 random(4);
  for (int i = 0; i < 10'000; ++i) {
    std::vector<uint8_t> body(random() % 100);
    for (uint8_t& byte : body) byte = static_cast<uint8_t>(random());
    EXPECT_EQ(StatusOf(body), StampStatus::kNotOurs);
  }
}

}  // namespace
}  // namespace bench
