#include "relay/ctl/funnel_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <cstdio>
#include <string>
#include <thread>

#include "relay/control/test_certificate.h"

namespace relay::ctl {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using disco::AddrPort;
using testing::HasSubstr;
using testing::MatchesRegex;

// Takes one connection, reads a request's head, answers it, and then speaks TLS if it has a certificate.
class FakeNode {
 public:
  FakeNode(std::string answer, std::string cert = "", std::string key = "")
      : thread_([this, answer = std::move(answer), cert = std::move(cert), key = std::move(key)] {
          tcp::socket socket(io_);
          error_code ec;
          acceptor_.accept(socket, ec);
          request_.resize(asio::read_until(socket, asio::dynamic_buffer(request_), "\r\n\r\n", ec));
          asio::write(socket, asio::buffer(answer), ec);
          if (cert.empty()) return;
          asio::ssl::context tls(asio::ssl::context::tls_server);
          tls.use_certificate_chain_file(cert);
          tls.use_private_key_file(key, asio::ssl::context::pem);
          asio::ssl::stream<tcp::socket> stream(std::move(socket), tls);
          stream.handshake(asio::ssl::stream_base::server, ec);
          char byte;
          (void)stream.read_some(asio::buffer(&byte, 1), ec);  // Until the other side has seen enough.
        }) {}
  ~FakeNode() {
    if (thread_.joinable()) thread_.join();
  }

  AddrPort addr() const { return AddrPort::FromIpv4({127, 0, 0, 1}, acceptor_.local_endpoint().port()); }
  std::string Request() {
    thread_.join();
    return request_;
  }

 private:
  asio::io_context io_;
  tcp::acceptor acceptor_{io_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)};
  std::string request_;
  std::thread thread_;
};

constexpr const char* k101 = "HTTP/1.1 101 Switching Protocols\r\n\r\n";

NodeReport Check(const AddrPort& node, const std::string& ca_file = "") {
  return CheckNode({.node = node, .target = {.name = "node.example", .port = 8443}, .ca_file = ca_file});
}

TEST(FunnelCheckTest, ANodeThatServesIsDescribed) {
  const std::string cert = testing::TempDir() + "/check.crt", key = testing::TempDir() + "/check.key";
  WriteTestCertificate(cert, key, "DNS:node.example,DNS:*.other.example");
  FakeNode node(k101, cert, key);
  const NodeReport report = Check(node.addr(), cert);
  EXPECT_EQ(report.Fault(), "");
  EXPECT_EQ(report.status, 101u);
  EXPECT_EQ(report.distrust, "");
  ASSERT_TRUE(report.certificate);
  EXPECT_THAT(report.certificate->names, testing::ElementsAre("node.example", "*.other.example"));
  EXPECT_EQ(report.certificate->days_left, 0);
  EXPECT_THAT(FormatNodeReport(report, true), MatchesRegex("node       127.0.0.1:[0-9]+, healthy in relayd's eyes\n"
                                                           "  dial     [0-9.]+ ms\n"
                                                           "  answer   101, [0-9.]+ ms\n"
                                                           "  tls      TLSv1.3, [0-9.]+ ms\n"
                                                           "  subject  -\n"
                                                           "  names    node.example, \\*.other.example\n"
                                                           "  issuer   -\n"
                                                           "  until    .* GMT, 0 days left\n"
                                                           "  trusted  yes\n"
                                                           "  serves   yes\n"));
  EXPECT_THAT(node.Request(), MatchesRegex("POST /v0/ingress HTTP/1.1\r\nHost: 127.0.0.1:[0-9]+\r\n"
                                           "Tailscale-Ingress-Src: 127.0.0.1:[0-9]+\r\n"
                                           "Tailscale-Ingress-Target: node.example:8443\r\n"
                                           "Content-Length: 0\r\n\r\n"));
}

TEST(FunnelCheckTest, AnotherNamesCertificateOfAStrangerIsAFault) {
  const std::string cert = testing::TempDir() + "/other.crt", key = testing::TempDir() + "/other.key";
  WriteTestCertificate(cert, key, "DNS:other.example", "node.example");
  FakeNode node(k101, cert, key);
  const NodeReport report = Check(node.addr());
  EXPECT_EQ(report.Fault(), "the certificate does not name it");
  EXPECT_NE(report.distrust, "");
  const std::string text = FormatNodeReport(report, false);
  EXPECT_THAT(text, HasSubstr(", unhealthy in relayd's eyes\n"));
  EXPECT_THAT(text, HasSubstr("  subject  CN=node.example\n"));
  EXPECT_THAT(text, HasSubstr("  trusted  no: "));
  EXPECT_THAT(text, HasSubstr("  serves   no: the certificate does not name it\n"));
}

TEST(FunnelCheckTest, EachFailureSaysWhereItWas) {
  FakeNode denied("HTTP/1.1 403 Forbidden\r\nContent-Length: 23\r\n\r\ndenied; no ingress cap\n");
  EXPECT_EQ(Check(denied.addr()).Fault(), "the node answered 403: denied; no ingress cap");
  FakeNode terminal("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\n\x1b[2J");
  EXPECT_EQ(Check(terminal.addr()).Fault(), "the node answered 404: ?[2J");
  FakeNode silent("");
  EXPECT_THAT(Check(silent.addr()).Fault(), HasSubstr("no answer: "));
  FakeNode early(std::string(k101) + "hello");
  EXPECT_EQ(Check(early.addr()).Fault(), "the node sent bytes ahead of TLS");
  FakeNode no_tls(k101);
  EXPECT_THAT(Check(no_tls.addr()).Fault(), HasSubstr("no TLS: "));
  FakeNode long_head("HTTP/1.1 101 Switching Protocols\r\nX: " + std::string(9000, 'x') + "\r\n\r\n");
  EXPECT_THAT(Check(long_head.addr()).Fault(), HasSubstr("no answer: "));
  asio::io_context io;
  tcp::acceptor closed(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  const AddrPort nobody = AddrPort::FromIpv4({127, 0, 0, 1}, closed.local_endpoint().port());
  closed.close();
  EXPECT_EQ(Check(nobody).Fault(), "no connection: Connection refused");
  EXPECT_EQ(FormatNodeReport(Check(nobody), true).find("answer"), std::string::npos);
  EXPECT_THAT(Check(nobody, "/nowhere/ca.pem").Fault(), HasSubstr("cannot read /nowhere/ca.pem: "));
}

TEST(FunnelCheckTest, WhoeverNeverAnswersIsWaitedForNoLongerThanTheTimeout) {
  asio::io_context io;
  const tcp::acceptor backlog(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  const NodeReport report = CheckNode({.node = AddrPort::FromIpv4({127, 0, 0, 1}, backlog.local_endpoint().port()),
                                       .target = {.name = "node.example"},
                                       .ca_file = "",
                                       .timeout = std::chrono::milliseconds(50)});
  EXPECT_EQ(report.Fault(), "no answer: timed out");
}

TEST(FunnelCheckTest, ACertificateHasDaysLeftOrNone) {
  const std::string cert = testing::TempDir() + "/days.crt", key = testing::TempDir() + "/days.key";
  WriteTestCertificate(cert, key, "DNS:*.z.example");
  std::FILE* const file = std::fopen(cert.c_str(), "r");
  ASSERT_NE(file, nullptr);
  X509* const certificate = PEM_read_X509(file, nullptr, nullptr, nullptr);
  std::fclose(file);
  const auto with = [&](long from_s, long until_s, const std::string& name) {
    X509_gmtime_adj(X509_getm_notBefore(certificate), from_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), until_s);
    return CertificateReport::Of(certificate, name);
  };
  constexpr long kDay = 86'400;
  const CertificateReport good = with(-kDay, 10 * kDay + 3600, "a.z.example");
  EXPECT_TRUE(good.in_date && good.names_target);
  EXPECT_EQ(good.days_left, 10);
  EXPECT_FALSE(with(-kDay, kDay, "a.b.z.example").names_target);
  EXPECT_FALSE(with(-kDay, kDay, "z.example").names_target);
  EXPECT_FALSE(with(kDay, 2 * kDay, "a.z.example").in_date);
  const CertificateReport expired = with(-10 * kDay, -2 * kDay - 3600, "a.z.example");
  EXPECT_FALSE(expired.in_date);
  EXPECT_EQ(expired.days_left, -3);
  NodeReport report;
  report.certificate = expired;
  EXPECT_EQ(report.Fault(), "the certificate is not in date");
  X509_free(certificate);
}

}  // namespace
}  // namespace relay::ctl
