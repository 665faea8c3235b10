#include "ingress/client_hello.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>

#include <thread>

#include "tests/support/client_hello_builder.h"
#include "tests/support/corpus.h"

namespace ingress {
namespace {

using State = ClientHelloReader::State;
using testing::ElementsAre;
using testing::IsEmpty;
using namespace std::string_literals;

std::string VerdictOf(State state) {
  switch (state) {
    case State::kReading:
      return "reading";
    case State::kDone:
      return "done";
    case State::kNotTls:
      return "not_tls";
    case State::kTooBig:
      return "too_big";
    case State::kBadName:
      return "bad_name";
  }
  return "?";
}

State Read(std::string_view bytes, size_t cap = 16384) { return ClientHelloReader(cap).Read(bytes); }

// How many bytes it takes until the verdict is there.
size_t BytesToVerdict(std::string_view bytes) {
  ClientHelloReader reader;
  for (size_t size = 0; size <= bytes.size(); ++size) {
    if (reader.Read(bytes.substr(0, size)) != State::kReading) return size;
  }
  return std::string::npos;
}

TEST(ClientHelloTest, ReadsNameAndProtocols) {
  ClientHelloReader reader;
  const std::string hello = test::Hello({.name = "Node.Example.", .alpn = {"h2", "http/1.1"}});
  ASSERT_EQ(reader.Read(hello), State::kDone);
  EXPECT_EQ(reader.hello().server_name, "node.example");
  EXPECT_THAT(reader.hello().alpn, ElementsAre("h2", "http/1.1"));
}

TEST(ClientHelloTest, AHelloNeedNotHaveThem) {
  ClientHelloReader reader;
  ASSERT_EQ(reader.Read(test::Hello({})), State::kDone);
  EXPECT_EQ(reader.hello().server_name, "");
  EXPECT_THAT(reader.hello().alpn, IsEmpty());
}

TEST(ClientHelloTest, NothingButAVerdictOfABadName) {
  ClientHelloReader reader;
  ASSERT_EQ(reader.Read(test::Hello({.name = "192.0.2.1", .alpn = {"h2"}})), State::kBadName);
  EXPECT_EQ(reader.hello(), ClientHello{});
}

TEST(ClientHelloTest, KeepsABoundedNumberOfProtocols) {
  test::HelloFields fields;
  for (int i = 0; i < 5000; ++i) fields.alpn.push_back("p");
  ClientHelloReader reader;
  ASSERT_EQ(reader.Read(test::Hello(fields)), State::kDone);
  EXPECT_EQ(reader.hello().alpn.size(), 16u);
}

TEST(ClientHelloTest, CorpusHasTheVerdictsThatItsNamesSay) {
  const auto corpus = test::ReadCorpus("client_hello");
  EXPECT_GT(corpus.size(), 70u);
  for (const auto& [file, bytes] : corpus) {
    EXPECT_TRUE(file.starts_with(VerdictOf(Read(bytes)))) << file << ": " << VerdictOf(Read(bytes));
  }
}

TEST(ClientHelloTest, ReadsTheNamesInTheCorpus) {
  const auto corpus = test::ReadCorpus("client_hello");
  for (const char* file :
       {"done_openssl_tls12", "done_openssl_tls13", "done_chromium_post_quantum", "done_trailing_dot",
        "done_post_quantum_in_two_records", "done_records_of_1_byte", "done_early_data_behind"}) {
    ClientHelloReader reader;
    ASSERT_TRUE(corpus.contains(file)) << file;
    ASSERT_EQ(reader.Read(corpus.at(file)), State::kDone) << file;
    EXPECT_EQ(reader.hello().server_name, "node.example") << file;
  }
  ClientHelloReader reader;
  ASSERT_EQ(reader.Read(corpus.at("done_openssl_no_name")), State::kDone);
  EXPECT_EQ(reader.hello().server_name, "");
}

TEST(ClientHelloTest, KnowsWhatIsNotTlsAtTheFirstByteThatProvesIt) {
  const std::string message = test::HelloMessage({});
  const size_t left = message.size() - 10;
  EXPECT_EQ(BytesToVerdict("GET / HTTP/1.1\r\n"), 1u);
  EXPECT_EQ(BytesToVerdict("\x80\x2e\x01\x03\x01"s), 1u) << "SSLv2";
  EXPECT_EQ(BytesToVerdict("\x16\x02\x01"s), 2u);
  EXPECT_EQ(BytesToVerdict("\x16\x03\x01\x41\x00"s), 4u);
  EXPECT_EQ(BytesToVerdict("\x16\x03\x01\x40\x01"s), 5u);
  EXPECT_EQ(BytesToVerdict("\x16\x03\x01\x00\x00"s), 5u);
  EXPECT_EQ(BytesToVerdict("\x16\x03\x01\x40\x00\x01\x00"s), std::string::npos);
  EXPECT_EQ(BytesToVerdict("\x16\x03\x01\x02\x00\x02"s), 6u) << "ServerHello";
  EXPECT_EQ(BytesToVerdict(test::InRecords(message.substr(0, 10)) + "\x15"), 16u) << "an alert between";
  EXPECT_EQ(BytesToVerdict(test::InRecords(message.substr(0, 10)) + "\x16\x03\x01" + test::Number(left + 256, 2)), 19u);
  EXPECT_EQ(BytesToVerdict(test::InRecords(message.substr(0, 10)) + "\x16\x03\x01" + test::Number(left + 1, 2)), 20u);
  EXPECT_EQ(BytesToVerdict(test::InRecords(message + "x")), 9u) << "the record goes on behind the hello";
}

TEST(ClientHelloTest, KnowsWhatIsTooBigAsSoonAsItsLengthIsKnown) {
  EXPECT_EQ(BytesToVerdict("\x16\x03\x01\x40\x00\x01\x01"s), 7u) << "64 KiB and more";
  EXPECT_EQ(BytesToVerdict("\x16\x03\x01\x40\x00\x01\x00\x40"s), 8u) << "16 KiB and more";
  EXPECT_EQ(BytesToVerdict("\x16\x03\x01\x3f\xfb\x01\x00\x3f\xf8"s), 9u);
  EXPECT_EQ(BytesToVerdict("\x16\x03\x01\x3f\xfb\x01\x00\x3f\xf7"s), std::string::npos);
}

TEST(ClientHelloTest, TheCapCountsRecordHeadersToo) {
  const std::string message = test::HelloMessage({.name = "node.example"});
  for (const size_t record : {size_t{16384}, size_t{100}, size_t{1}}) {
    const std::string stream = test::InRecords(message, record);
    EXPECT_EQ(Read(stream, stream.size()), State::kDone) << record;
    EXPECT_EQ(Read(stream, stream.size() - 1), State::kTooBig) << record;
    EXPECT_EQ(Read(stream + std::string(50000, 'x'), stream.size()), State::kDone) << "what follows does not count";
  }
}

TEST(ClientHelloTest, AHelloMayFillSeveralRecordsIfTheCapLetsIt) {
  ClientHelloReader reader(65536);
  ASSERT_EQ(reader.Read(test::Hello({.name = "node.example", .size = 40000})), State::kDone);
  EXPECT_EQ(reader.hello().server_name, "node.example");
}

TEST(ClientHelloTest, LeavesNothingInTheErrorQueue) {
  ASSERT_EQ(Read("\x16\x03\x01\x00\x04\x01\x00\x00\x00"s), State::kNotTls);
  EXPECT_EQ(ERR_peek_error(), 0u);
  ASSERT_EQ(Read(test::Hello({.name = "node.example"})), State::kDone);
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST(ClientHelloTest, ReadersOfManyThreads) {
  const std::string hello = test::Hello({.name = "node.example"});
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int turn = 0; turn < 200; ++turn) EXPECT_EQ(Read(hello), State::kDone);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace ingress
