// Any split of any prefix gives the verdict that the prefix gives as a whole, and a verdict stays.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "ingress/client_hello.h"
#include "tests/support/client_hello_builder.h"
#include "tests/support/corpus.h"

namespace ingress {
namespace {

using State = ClientHelloReader::State;
using Result = std::pair<State, ClientHello>;

constexpr size_t kCap = 4096;  // So that a few of the corpus' are too big.

Result ReadWhole(std::string_view bytes) {
  ClientHelloReader reader(kCap);
  const State state = reader.Read(bytes);
  return {state, reader.hello()};
}

// Of every prefix, as a whole. From the verdict on a prefix costs a parse, and few are looked at.
std::vector<Result> ReadPrefixes(std::string_view bytes) {
  std::vector<Result> results;
  for (size_t size = 0; size <= bytes.size(); ++size) {
    const bool looked_at = results.size() < 5 || results[size - 5].first == State::kReading || size % 61 == 0;
    results.push_back(looked_at || size == bytes.size() ? ReadWhole(bytes.substr(0, size)) : results.back());
    const Result& last = results[size > 0 ? size - 1 : 0];
    if (last.first == State::kReading) continue;
    EXPECT_EQ(results.back(), last) << "a verdict stays: " << size;
  }
  return results;
}

void CheckSplits(const std::string& name, std::string_view bytes, std::mt19937& random) {
  const std::vector<Result> prefixes = ReadPrefixes(bytes);
  for (const size_t most : {1, 2, 3, 7, 100, 1000}) {
    ClientHelloReader reader(kCap);
    for (size_t size = 0; size < bytes.size();) {
      size = std::min(bytes.size(), size + std::uniform_int_distribution<size_t>(1, most)(random));
      const State state = reader.Read(bytes.substr(0, size));
      ASSERT_EQ(Result(state, reader.hello()), prefixes[size])
          << name << ", " << size << " bytes in pieces of " << most;
      ASSERT_EQ(reader.Read(bytes.substr(0, size)), state) << name << ": asked twice";
    }
  }
}

TEST(ClientHelloPropertyTest, TheSplitDoesNotMatterInTheCorpus) {
  std::mt19937 random(1);
  for (const auto& [name, bytes] : test::ReadCorpus("client_hello")) CheckSplits(name, bytes, random);
}

TEST(ClientHelloPropertyTest, TheSplitDoesNotMatterInRecordsOfAnySizeWithAnyByteWrong) {
  std::mt19937 random(2);
  const std::string message = test::HelloMessage({.name = "node.example", .alpn = {"h2"}});
  const auto any = [&](size_t below) { return std::uniform_int_distribution<size_t>(0, below - 1)(random); };
  for (int round = 0; round < 60; ++round) {
    std::string stream;
    for (size_t at = 0; at < message.size();) {
      const size_t size = 1 + any(any(2) == 0 ? 4 : 200);
      stream += test::InRecords(message.substr(at, size));
      at += size;
    }
    stream += test::InRecords("behind");
    if (round % 3 != 0) stream[any(stream.size())] = static_cast<char>(any(256));
    CheckSplits("round " + std::to_string(round), stream, random);
  }
}

}  // namespace
}  // namespace ingress
