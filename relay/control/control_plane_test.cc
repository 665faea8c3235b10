// The control thread as a whole: signals, TLS, drain, and its end.
#include "relay/control/control_plane.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <fstream>
#include <optional>
#include <thread>

#include "disco/key.h"
#include "relay/control/funnel_fixture.h"
#include "relay/control/http_test_server.h"
#include "relay/control/log.h"
#include "relay/control/test_certificate.h"
#include "relay/control/text.h"
#include "relay/core/qsbr.h"

namespace relay {
namespace {

namespace asio = boost::asio;

// What goes to stderr while it lives, readable at any time: no line falls between two looks at it.
class StderrCapture {
 public:
  StderrCapture() { dup2(file_, STDERR_FILENO); }
  ~StderrCapture() {
    dup2(before_, STDERR_FILENO);
    close(before_);
    close(file_);
  }
  StderrCapture(const StderrCapture&) = delete;
  StderrCapture& operator=(const StderrCapture&) = delete;

  std::string Text() const {
    std::string text(1 << 16, '\0');
    const ssize_t size = pread(file_, text.data(), text.size(), 0);
    text.resize(size < 0 ? 0 : static_cast<size_t>(size));
    return text;
  }
  // Waits until `part` was written.
  bool Await(std::string_view part) const {
    return relay::Await([&] { return Text().find(part) != std::string::npos; });
  }

 private:
  const int before_ = dup(STDERR_FILENO);
  const int file_ = memfd_create("stderr", MFD_CLOEXEC);
};

class ControlPlaneTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    disco::InitCrypto();
    ControlPlane::BlockSignals();
    SetLogLevel(LogLevel::kError);
  }
  ~ControlPlaneTest() override { Stop(); }

  void Start(ControlPlane::Options options) {
    options.api_listen = AddrPort::FromIpv4({127, 0, 0, 1}, 0);
    options.addr_ports = {AddrPort::FromIpv4({192, 0, 2, 1}, 40000)};
    auto plane = ControlPlane::Open(options, {.table = table_,
                                              .allocator = allocator_,
                                              .udp_port = 40000,
                                              .ipv6 = true,
                                              .funnel = funnel_,
                                              .ingress = ingress_});
    ASSERT_TRUE(plane.ok()) << plane.status();
    plane_ = *std::move(plane);
    thread_ = std::thread([this] {
      plane_->Run();
      ended_ = true;
    });
    // ThreadSanitizer holds back a signal that comes before the loop first waits, until it wakes for something else.
    if (options.tls_cert.empty()) {
      ASSERT_EQ(Get("/healthz"), 200);
    }
  }
  void Stop() {
    if (!thread_.joinable()) return;
    if (!ended_) Signal(SIGTERM);
    thread_.join();
  }
  static void Signal(int signal) { kill(getpid(), signal); }
  bool Ended() {
    return Await([this] { return ended_.load(); });
  }

  RawClient Connect() { return RawClient(plane_->api_address()); }
  int Get(std::string_view target, std::string_view headers = "") {
    RawClient client = Connect();
    client.Send(text::Cat("GET ", target, " HTTP/1.1\r\nHost: peer\r\n", headers, "\r\n"));
    return StatusOf(client.ReadResponse());
  }
  int Allocate() {
    const std::string body = AllocateBody(1, 2);
    RawClient client = Connect();
    client.Send(
        text::Cat("POST /v0/relay/endpoint HTTP/1.1\r\nHost: peer\r\nContent-Length: ", body.size(), "\r\n\r\n", body));
    return StatusOf(client.ReadResponse());
  }

  Qsbr qsbr_{1};
  EndpointTable table_{1024, qsbr_};
  Allocator allocator_{table_, disco::PrivateKey::Generate(), {.bind_lifetime = std::chrono::milliseconds(300)}};
  FunnelService* funnel_ = nullptr;
  IngressService* ingress_ = nullptr;
  std::unique_ptr<ControlPlane> plane_;
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

TEST_F(ControlPlaneTest, SigtermEndsItWhateverIsOpen) {
  Start({});
  RawClient idle = Connect(), halfway = Connect();
  halfway.Send("POST /v0/relay/endpoint HTTP/1.1\r\nHo");
  EXPECT_EQ(Get("/readyz"), 200);
  const auto start = std::chrono::steady_clock::now();
  Signal(SIGTERM);
  EXPECT_TRUE(Ended());
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
  EXPECT_TRUE(idle.IsClosed());
  EXPECT_TRUE(halfway.IsClosed());
}

TEST_F(ControlPlaneTest, ADrainEndsWithTheLastEndpoint) {
  Start({});
  ASSERT_EQ(Allocate(), 200);
  Signal(SIGUSR1);
  ASSERT_TRUE(Await([&] { return Get("/readyz") == 503; }));
  EXPECT_EQ(Allocate(), 503);
  EXPECT_EQ(Get("/healthz"), 200);
  EXPECT_FALSE(ended_);
  EXPECT_TRUE(Ended());  // When the bind lifetime is over.
  EXPECT_EQ(table_.live(), 0u);
}

TEST_F(ControlPlaneTest, ADrainEndsAtItsTimeout) {
  Allocator::Options forever{.bind_lifetime = std::chrono::hours(1)};
  Allocator patient(table_, disco::PrivateKey::Generate(), forever);
  std::array<disco::PublicKey, 2> keys{disco::PrivateKey::Generate().public_key(),
                                       disco::PrivateKey::Generate().public_key()};
  ASSERT_EQ(patient.Allocate("x", keys, {}, std::chrono::steady_clock::now()).result, AllocationResult::kCreated);
  Start({.drain_timeout = std::chrono::milliseconds(200)});
  Signal(SIGUSR1);
  EXPECT_TRUE(Ended());
  EXPECT_EQ(table_.live(), 1u);
}

TEST_F(ControlPlaneTest, ADrainAlsoWaitsForFunnelConnections) {
  FakeFunnel funnel;
  funnel_ = &funnel;
  funnel.open = 1;
  Start({});
  Signal(SIGUSR1);
  ASSERT_TRUE(Await([&] { return funnel.draining.load(); }));
  // A drain without them would end within one tick.
  const auto later = std::chrono::steady_clock::now() + 3 * Allocator::kExpiryTick;
  EXPECT_TRUE(Await([&] { return Get("/healthz") == 200 && std::chrono::steady_clock::now() > later; }));
  EXPECT_FALSE(ended_);
  funnel.open = 0;
  EXPECT_TRUE(Ended());
}

TEST_F(ControlPlaneTest, ADrainTimeoutEndsFunnelConnectionsToo) {
  FakeFunnel funnel;
  funnel_ = &funnel;
  funnel.open = 1;
  Start({.drain_timeout = std::chrono::milliseconds(200)});
  Signal(SIGUSR1);
  EXPECT_TRUE(Ended());
}

TEST_F(ControlPlaneTest, ANodeIsToldOfSighupAndOfADrainWhichWaitsForIt) {
  FakeIngress node;
  ingress_ = &node;
  node.open = 1;
  Start({});
  Signal(SIGHUP);
  EXPECT_TRUE(Await([&] { return node.reloads == 1; }));
  Signal(SIGUSR1);
  EXPECT_TRUE(Await([&] { return node.draining.load(); }));
  EXPECT_FALSE(ended_);
  node.open = 0;
  EXPECT_TRUE(Ended());
}

TEST_F(ControlPlaneTest, TheFunnelGetsThePolicyAtStartAndOnSighup) {
  FakeFunnel funnel;
  funnel_ = &funnel;
  const std::string path = testing::TempDir() + "/funnel.json";
  const auto write = [&](std::string_view routes, int most) {
    std::ofstream(path) << text::Cat(R"({"funnel":{"routes":[)", routes, R"(],"max_connections":)", most, "}}\n");
  };
  write("", 7);
  Start({.policy_file = path});
  EXPECT_EQ(funnel.file_routes, 0u);
  EXPECT_EQ(funnel.max_connections, 7u);
  EXPECT_EQ(funnel.reopened, 0);
  write(R"({"name":"a.example","peerapi":["198.19.0.7:1"]})", 8);
  Signal(SIGHUP);
  EXPECT_TRUE(Await([&] { return funnel.file_routes == 1 && funnel.max_connections == 8; }));
  EXPECT_EQ(funnel.reopened, 1);
  write(R"({"name":"a.example"})", 9);  // Refused: the old one stays.
  const StderrCapture log;
  Signal(SIGHUP);
  EXPECT_TRUE(log.Await("policy refused"));
  EXPECT_EQ(funnel.max_connections, 8u);
  EXPECT_EQ(funnel.reopened, 2);
}

TEST_F(ControlPlaneTest, WithoutAPolicyASighupStillReopensTheAccessLog) {
  FakeFunnel funnel;
  funnel_ = &funnel;
  Start({});
  EXPECT_EQ(funnel.file_routes, 0u);
  Signal(SIGHUP);
  EXPECT_TRUE(Await([&] { return funnel.reopened == 1; }));
}

TEST_F(ControlPlaneTest, SighupReadsThePolicyAgainAndABadOneChangesNothing) {
  const std::string path = testing::TempDir() + "/reload.json";
  const auto write = [&](std::string_view capabilities) {
    std::ofstream(path) << text::Cat(R"({"peers":[{"prefix":"127.0.0.0/8","capabilities":[)", capabilities, "]}]}\n");
  };
  write("");
  Start({.policy_file = path});
  EXPECT_EQ(Get("/v0/relay/sessions"), 403);
  write("\"admin\"");
  Signal(SIGHUP);
  EXPECT_TRUE(Await([&] { return Get("/v0/relay/sessions") == 200; }));
  write("\"root\"");
  const StderrCapture log;
  Signal(SIGHUP);
  EXPECT_TRUE(log.Await("policy refused"));
  EXPECT_THAT(log.Text(), testing::HasSubstr(path + ":1: unknown capability"));
  EXPECT_EQ(Get("/v0/relay/sessions"), 200);
}

TEST_F(ControlPlaneTest, AFifoInThePlaceOfThePolicyKeepsNobodyWaiting) {
  const std::string path = testing::TempDir() + "/fifo.json";
  std::remove(path.c_str());
  std::ofstream(path) << R"({"peers":[{"prefix":"127.0.0.0/8","capabilities":["admin"]}]})";
  Start({.policy_file = path});
  std::remove(path.c_str());
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const StderrCapture log;
  Signal(SIGHUP);
  EXPECT_TRUE(log.Await("not a regular file"));
  EXPECT_EQ(Get("/v0/relay/sessions"), 200);
  std::remove(path.c_str());
}

TEST_F(ControlPlaneTest, ASighupWithoutFilesChangesAndSaysNothing) {
  Start({});
  SetLogLevel(LogLevel::kInfo);
  const StderrCapture log;
  Signal(SIGHUP);
  Signal(SIGHUP);
  EXPECT_EQ(Get("/v0/relay/sessions"), 200);
  Signal(SIGTERM);
  EXPECT_TRUE(Ended());
  SetLogLevel(LogLevel::kError);
  EXPECT_THAT(log.Text(), testing::Not(testing::HasSubstr("reloaded")));
}

TEST_F(ControlPlaneTest, WhatCannotBeOpenedIsOneLine) {
  const ControlPlane::Relay relay{.table = table_, .allocator = allocator_, .udp_port = 1, .ipv6 = false};
  Start({});
  const auto taken = ControlPlane::Open({.api_listen = plane_->api_address()}, relay);
  EXPECT_EQ(taken.status().message(),
            text::Cat("API: cannot listen on ", plane_->api_address().ToString(), ": Address already in use"));
  EXPECT_FALSE(ControlPlane::Open({.policy_file = "/nowhere"}, relay).ok());
  EXPECT_FALSE(ControlPlane::Open({.tls_cert = "/nowhere", .tls_key = "/nowhere"}, relay).ok());
}

// A TLS client that trusts one certificate file, whatever its name.
class TlsClient {
 public:
  TlsClient(const AddrPort& server, const std::string& trusted) {
    context_.load_verify_file(trusted);
    stream_.emplace(io_, context_);
    stream_->set_verify_mode(asio::ssl::verify_peer);
    stream_->next_layer().connect(ToEndpoint(server));
    stream_->handshake(asio::ssl::stream_base::client, error_);
  }
  bool connected() const { return !error_; }
  int Get(std::string_view target, std::string_view host) {
    const std::string request = text::Cat("GET ", target, " HTTP/1.1\r\nHost: ", host, "\r\n\r\n");
    asio::write(*stream_, asio::buffer(request), error_);
    char answer[4096];
    const size_t size = stream_->read_some(asio::buffer(answer), error_);
    return StatusOf({answer, size});
  }

 private:
  asio::io_context io_;
  asio::ssl::context context_{asio::ssl::context::tls_client};
  std::optional<asio::ssl::stream<asio::ip::tcp::socket>> stream_;
  boost::system::error_code error_;
};

TEST_F(ControlPlaneTest, TlsServesTheCertificateReloadsItAndKeepsTheOldOneForABadPair) {
  const std::string cert = testing::TempDir() + "/api.crt", key = testing::TempDir() + "/api.key";
  const std::string first = testing::TempDir() + "/first.crt", second = testing::TempDir() + "/second.crt";
  const auto keep = [&](const std::string& copy) { std::ofstream(copy) << std::ifstream(cert).rdbuf(); };
  WriteTestCertificate(cert, key, "DNS:one.example");
  keep(first);
  Start({.tls_cert = cert, .tls_key = key});
  TlsClient client(plane_->api_address(), first);
  ASSERT_TRUE(client.connected());
  EXPECT_EQ(client.Get("/v0/relay/sessions", "one.example"), 200);
  EXPECT_EQ(client.Get("/v0/relay/sessions", "two.example"), 403);
  RawClient plain = Connect();
  plain.Send("GET /healthz HTTP/1.1\r\nHost: peer\r\n\r\n");
  EXPECT_EQ(plain.ReadToEnd().find("HTTP/"), std::string::npos);
  EXPECT_TRUE(Await([&] { return plane_->api_stats().tls_failed.Get() == 1; }));

  WriteTestCertificate(cert, key, "DNS:two.example");
  keep(second);
  Signal(SIGHUP);
  ASSERT_TRUE(Await([&] { return TlsClient(plane_->api_address(), second).connected(); }));
  EXPECT_EQ(client.Get("/v0/relay/sessions", "two.example"), 200);  // An open connection goes on.

  std::ofstream(key) << "broken\n";
  const StderrCapture log;
  Signal(SIGHUP);
  EXPECT_TRUE(log.Await("certificate refused"));
  EXPECT_TRUE(TlsClient(plane_->api_address(), second).connected());
}

TEST_F(ControlPlaneTest, SilentTlsClientsDelayNobody) {
  const std::string cert = testing::TempDir() + "/silent.crt", key = testing::TempDir() + "/silent.key";
  WriteTestCertificate(cert, key, "DNS:one.example");
  Start({.tls_cert = cert, .tls_key = key});
  std::vector<RawClient> silent;
  for (int i = 0; i < 100; ++i) silent.push_back(Connect());
  TlsClient client(plane_->api_address(), cert);
  ASSERT_TRUE(client.connected());
  EXPECT_EQ(client.Get("/healthz", "one.example"), 200);
  Signal(SIGTERM);
  EXPECT_TRUE(Ended());
}

}  // namespace
}  // namespace relay
