#include "ingress/proxy_protocol.h"

#include <gtest/gtest.h>

#include "tests/support/corpus.h"

namespace ingress {
namespace {

using namespace std::string_literals;

AddrPort At(std::string_view text) { return AddrPort::Parse(text).value(); }

std::string VerdictOf(std::string_view bytes) {
  ProxyHeader header;
  switch (ReadProxyHeader(bytes, header)) {
    case ProxyState::kReading:
      return "reading";
    case ProxyState::kDone:
      return "done";
    case ProxyState::kMalformed:
      return "malformed";
  }
  return "?";
}

ProxyHeader HeaderOf(std::string_view bytes) {
  ProxyHeader header;
  EXPECT_EQ(ReadProxyHeader(bytes, header), ProxyState::kDone) << bytes;
  return header;
}

TEST(ProxyProtocolTest, CorpusHasTheVerdictsThatItsNamesSay) {
  const auto corpus = test::ReadCorpus("proxy_header");
  EXPECT_GT(corpus.size(), 60u);
  for (const auto& [file, bytes] : corpus) EXPECT_TRUE(file.starts_with(VerdictOf(bytes))) << file << VerdictOf(bytes);
}

TEST(ProxyProtocolTest, AVerdictStaysHoweverTheBytesGoOn) {
  for (const auto& [file, bytes] : test::ReadCorpus("proxy_header")) {
    std::string last = "reading";
    const std::string more = bytes + "\r\n" + std::string(600, '\0');
    for (size_t size = 0; size <= more.size(); ++size) {
      const std::string verdict = VerdictOf(std::string_view(more).substr(0, size));
      ASSERT_TRUE(last == "reading" || verdict == last) << file << " after " << size << " bytes";
      last = verdict;
    }
    EXPECT_NE(last, "reading") << file;
  }
}

TEST(ProxyProtocolTest, ReadsAddressesInTheCorpus) {
  const auto corpus = test::ReadCorpus("proxy_header");
  const ProxyHeader ipv4{
      .local = false, .source = At("192.0.2.1:56324"), .destination = At("198.51.100.7:443"), .size = 45};
  const ProxyHeader ipv6{
      .local = false, .source = At("[2001:db8::1]:56324"), .destination = At("[2001:db8::2]:443"), .size = 46};
  const auto sized = [](ProxyHeader header, size_t size) {
    header.size = size;
    return header;
  };
  EXPECT_EQ(HeaderOf(corpus.at("done_v1_tcp4")), ipv4);
  EXPECT_EQ(HeaderOf(corpus.at("done_v1_tcp4_and_hello")), ipv4);
  EXPECT_EQ(HeaderOf(corpus.at("done_v1_tcp6")), ipv6);
  EXPECT_EQ(HeaderOf(corpus.at("done_v1_tcp6_mapped")), sized(ipv4, 59)) << "mapped is IPv4";
  EXPECT_EQ(HeaderOf(corpus.at("done_v2_tcp4")), sized(ipv4, 28));
  EXPECT_EQ(HeaderOf(corpus.at("done_v2_tcp4_and_hello")), sized(ipv4, 28));
  EXPECT_EQ(HeaderOf(corpus.at("done_v2_tcp6")), sized(ipv6, 52));
  EXPECT_EQ(HeaderOf(corpus.at("done_v2_checksum")), sized(ipv4, 28 + 6 + 7 + 5));
  EXPECT_EQ(HeaderOf(corpus.at("done_v2_552_bytes")), sized(ipv4, kMaxProxyHeaderSize));
  EXPECT_TRUE(HeaderOf(corpus.at("done_v2_tcp6_mapped_source")).source.IsIpv4());
}

TEST(ProxyProtocolTest, WithoutAddressesTheConnectionsOwnCount) {
  const auto corpus = test::ReadCorpus("proxy_header");
  for (const char* file : {"done_v1_unknown", "done_v1_unknown_with_words", "done_v2_local",
                           "done_v2_local_with_addresses", "done_v2_unspecified", "done_v2_unix", "done_v2_udp4"}) {
    EXPECT_EQ(HeaderOf(corpus.at(file)), (ProxyHeader{.local = true, .size = corpus.at(file).size()})) << file;
  }
}

TEST(ProxyProtocolTest, LeavesTheHeaderAloneUntilItIsDone) {
  const ProxyHeader before{.local = false, .source = At("192.0.2.9:9"), .size = 7};
  ProxyHeader header = before;
  EXPECT_EQ(ReadProxyHeader("PROXY TCP4 1.2.3.4", header), ProxyState::kReading);
  EXPECT_EQ(ReadProxyHeader("PROXY TCP4 1.2.3.4 1.2.3.4 1 x\r\n", header), ProxyState::kMalformed);
  EXPECT_EQ(header, before);
}

TEST(ProxyProtocolTest, KnowsWhatIsNoHeaderAtTheFirstByteThatProvesIt) {
  EXPECT_EQ(VerdictOf("G"), "malformed");
  EXPECT_EQ(VerdictOf("\x16"), "malformed");
  EXPECT_EQ(VerdictOf("PROXY"), "reading");
  EXPECT_EQ(VerdictOf("PROXYX"), "malformed");
  EXPECT_EQ(VerdictOf("\r\n\r\n\0\r\nQUIT\n"s), "reading");
  EXPECT_EQ(VerdictOf("\r\n\r\n\0\r\nQUIT\n\x31"s), "malformed");
  EXPECT_EQ(VerdictOf("\r\n\r\n\0\r\nQUIT\n\x21\x51"s), "malformed");
  EXPECT_EQ(VerdictOf("\r\n\r\n\0\r\nQUIT\n\x21\x11\x02\x19"s), "malformed");
}

TEST(ProxyProtocolTest, WritesVersion1) {
  EXPECT_EQ(WriteProxyV1(At("192.0.2.1:56324"), At("198.51.100.7:443")),
            "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n");
  EXPECT_EQ(WriteProxyV1(At("[2001:db8::1]:1"), At("[2001:db8::2]:443")),
            "PROXY TCP6 2001:db8::1 2001:db8::2 1 443\r\n");
  EXPECT_EQ(WriteProxyV1(At("192.0.2.1:1"), At("[2001:db8::2]:443")),
            "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1 443\r\n");
  EXPECT_EQ(WriteProxyV1(At("[fe80::1%3]:1"), At("[fe80::2]:443")), "PROXY TCP6 fe80::1 fe80::2 1 443\r\n");
}

TEST(ProxyProtocolTest, WritesVersion2) {
  const std::string signature = "\r\n\r\n\0\r\nQUIT\n\x21"s;
  EXPECT_EQ(WriteProxyV2(At("192.0.2.1:258"), At("198.51.100.7:443")),
            signature + "\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x07\x01\x02\x01\xbb"s);
  const std::string mixed = WriteProxyV2(At("192.0.2.1:258"), At("[2001:db8::2]:443"));
  EXPECT_EQ(mixed.substr(0, 32), signature + "\x21\0\x24"s + "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x01"s);
  EXPECT_EQ(mixed.size(), 52u);
}

TEST(ProxyProtocolTest, ReadingIsTheInverseOfWriting) {
  const char* const addresses[] = {"192.0.2.1:0", "255.255.255.255:65535", "[::]:1", "[2001:db8::1]:443", "[::1]:9"};
  for (const char* source : addresses) {
    for (const char* destination : addresses) {
      for (const std::string& written :
           {WriteProxyV1(At(source), At(destination)), WriteProxyV2(At(source), At(destination))}) {
        EXPECT_EQ(HeaderOf(written + "x"),
                  (ProxyHeader{
                      .local = false, .source = At(source), .destination = At(destination), .size = written.size()}));
      }
    }
  }
}

}  // namespace
}  // namespace ingress
