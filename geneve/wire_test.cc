#include "geneve/wire.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace wire {
namespace {

TEST(WireTest, IntegersAreBigEndian) {
  constexpr std::array<uint8_t, 4> kBytes = {0x01, 0x02, 0x03, 0xff};
  EXPECT_EQ(LoadBe16(std::span(kBytes).first<2>()), 0x0102);
  EXPECT_EQ(LoadBe32(kBytes), 0x010203ffu);
  std::array<uint8_t, 4> out{};
  StoreBe32(out, 0x010203ff);
  EXPECT_EQ(out, kBytes);
  StoreBe16(std::span(out).first<2>(), 0xfe80);
  EXPECT_EQ(out, (std::array<uint8_t, 4>{0xfe, 0x80, 0x03, 0xff}));
}

TEST(ReaderTest, ReadsFrontToBack) {
  const std::vector<uint8_t> bytes = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19};
  Reader reader(bytes);
  EXPECT_EQ(reader.U8(), 0x01);
  EXPECT_EQ(reader.U16(), 0x0203);
  EXPECT_EQ(reader.U32(), 0x04050607u);
  EXPECT_EQ(reader.U64(), 0x08090a0b0c0d0e0fu);
  EXPECT_EQ(reader.Bytes<3>(), (std::array<uint8_t, 3>{16, 17, 18}));
  ASSERT_EQ(reader.rest().size(), 1u);
  EXPECT_EQ(reader.rest()[0], 19);
  EXPECT_TRUE(reader.ok());
}

TEST(ReaderTest, ReadsExactlyToTheEnd) {
  const std::vector<uint8_t> bytes = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  Reader reader(bytes);
  EXPECT_EQ(reader.U64(), UINT64_MAX);
  EXPECT_TRUE(reader.rest().empty());
  EXPECT_TRUE(reader.ok());
}

TEST(ReaderTest, ReadPastTheEndGivesZerosAndStaysBad) {
  const std::vector<uint8_t> bytes = {1, 2, 3};
  Reader reader(bytes);
  EXPECT_EQ(reader.U32(), 0u);
  EXPECT_FALSE(reader.ok());
  // The three bytes that were there are not read by a later, shorter read either.
  EXPECT_EQ(reader.U8(), 0);
  EXPECT_TRUE(reader.rest().empty());
  EXPECT_FALSE(reader.ok());
}

TEST(ReaderTest, HalfAnInteger64IsBad) {
  const std::vector<uint8_t> bytes = {1, 2, 3, 4, 5};
  Reader reader(bytes);
  reader.U64();
  EXPECT_FALSE(reader.ok());
}

TEST(WriterTest, WritesFrontToBack) {
  std::array<uint8_t, 20> out{};
  Writer writer(out);
  writer.U8(0x01);
  writer.U16(0x0203);
  writer.U32(0x04050607);
  writer.U64(0x08090a0b0c0d0e0f);
  writer.Bytes(std::array<uint8_t, 3>{16, 17, 18});
  EXPECT_TRUE(writer.ok());
  EXPECT_EQ(writer.size(), 18u);
  for (size_t i = 0; i < 18; ++i) EXPECT_EQ(writer.written()[i], i + 1);
  EXPECT_EQ(out[18], 0);
}

TEST(WriterTest, WritePastTheEndTouchesNothing) {
  std::array<uint8_t, 4> out = {9, 9, 9, 9};
  const std::span<uint8_t> room = std::span(out).first<3>();
  Writer writer(room);
  writer.U16(0x0102);
  writer.U16(0x0304);
  EXPECT_FALSE(writer.ok());
  EXPECT_EQ(writer.size(), 2u);
  EXPECT_EQ(out, (std::array<uint8_t, 4>{1, 2, 9, 9}));
}

}  // namespace
}  // namespace wire
