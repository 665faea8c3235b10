#include "ingress/node/funnel_node.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <thread>

#include "ingress/node/funnel_fixture.h"
#include "ingress/node/node_check.h"
#include "relay/control/http_test_server.h"

namespace ingress {
namespace {

using relay::text::Cat;

// Before any thread of any test.
[[maybe_unused]] const bool kBlocked = [] {
  BlockNodeSignals();
  return true;
}();

class FunnelNodeTest : public testing::Test {
 protected:
  FunnelNodeTest() {
    MakeServerContext("node.example");
    options_.config = TestFolder() + "/funnel-node.json";
    options_.metrics_listen = metrics_.addr();
    options_.log_level = relay::LogLevel::kError;
    WriteConfig("hello", api_);
  }
  ~FunnelNodeTest() override { End(SIGTERM); }

  void WriteConfig(const std::string& text, const AddrPort& listen) const {
    const std::string folder = TestFolder();
    WriteFile(Cat(R"({"Listen": [")", listen.ToString(),
                  R"("], "Peers": [{"prefix": "127.0.0.0/8", "capabilities": ["ingress"]}],
      "TCP": {"443": {"HTTPS": true}}, "Web": {"node.example:443": {"Handlers": {"/": {"Text": ")",
                  text, R"("}}}}, "AllowFunnel": {"node.example:443": true},
      "Certificates": [{"Name": "node.example", "Cert": ")",
                  folder, R"(/node.example.crt", "Key": ")", folder, R"(/node.example.key"}]})"));
  }
  // In one step, as it is to be seen.
  void WriteFile(const std::string& text) const {
    const std::string aside = options_.config + ".new";
    std::ofstream(aside) << text;
    ASSERT_EQ(std::rename(aside.c_str(), options_.config.c_str()), 0);
  }
  void Start() {
    thread_ = std::thread([this] { status_ = RunNode(options_, {.loop = loop_, .https = site_}); });
    ASSERT_TRUE(relay::Await([this] { return Get("/readyz").starts_with("200"); }));
  }
  // Ends the node, and says how long that took.
  std::chrono::milliseconds End(int signal) {
    const auto begin = std::chrono::steady_clock::now();
    if (thread_.joinable()) {
      kill(getpid(), signal);
      thread_.join();
    }
    site_.Clear();
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
  }
  // Status and body; "" without a connection.
  std::string Get(const std::string& path, const std::string& host = "localhost") const {
    relay::Fd fd = ConnectTcp(options_.metrics_listen);
    fcntl(fd.get(), F_SETFL, 0);
    const Peer peer(std::move(fd));
    if (!peer.Send(Cat("GET ", path, " HTTP/1.1\r\nHost: ", host, "\r\nConnection: close\r\n\r\n"))) return "";
    const std::string answer = peer.ReceiveAll();
    const size_t body = answer.find("\r\n\r\n");
    return body == std::string::npos ? "" : answer.substr(9, 4) + answer.substr(body + 4);
  }
  bool AwaitMetric(const std::string& line) const {
    return relay::Await([&] { return Get("/metrics").find(line + "\n") != std::string::npos; });
  }
  // A served connection, behind its handshake.
  TlsClient Client() const {
    Peer peer = Peer::Connect(api_);
    peer.Send(
        "POST /v0/ingress HTTP/1.1\r\nHost: peer\r\nTailscale-Ingress-Src: 203.0.113.9:1\r\n"
        "Tailscale-Ingress-Target: node.example:443\r\n\r\n");
    EXPECT_EQ(peer.ReceiveExactly(36), "HTTP/1.1 101 Switching Protocols\r\n\r\n");
    TlsClient client(std::move(peer), {.name = "node.example"});
    EXPECT_TRUE(client.Handshake());
    EXPECT_TRUE(client.Receive().starts_with("node.example:443"));
    return client;
  }

  NodeOptions options_;
  const ReservedAddr metrics_, reserved_;
  const AddrPort api_ = reserved_.addr();
  EventLoop loop_;
  EchoSite site_;
  absl::Status status_;
  std::thread thread_;
};

TEST_F(FunnelNodeTest, ServesAndTellsOfItself) {
  Start();
  TlsClient client = Client();
  EXPECT_EQ(Get("/healthz", "anything.example"), "200 ok\n");
  EXPECT_EQ(Get("/v0/status", "evil.example"), "403 foreign Host, or a browser's request\n");
  EXPECT_EQ(Get("/other"), "404 unsupported path\n");
  const std::string status = Get("/v0/status");
  EXPECT_NE(status.find(R"("Ready":true)"), std::string::npos) << status;
  EXPECT_NE(status.find(R"("Certificates":[{"Name":"node.example","DaysLeft":)"), std::string::npos) << status;
  for (const char* const line :
       {"funnel_node_connections 1", "funnel_node_accepted_total 1", "funnel_node_handshakes_total{result=\"done\"} 1",
        "funnel_node_handshakes_total{result=\"wrong_name\"} 0", "funnel_node_refused_total{status=\"503\"} 0",
        "funnel_node_certificate_good{name=\"node.example\"} 1", "funnel_node_config_reloads_total{result=\"ok\"} 0"}) {
    EXPECT_TRUE(AwaitMetric(line)) << line;
  }
  EXPECT_LT(End(SIGTERM), std::chrono::seconds(2));
  EXPECT_TRUE(status_.ok()) << status_;
}

TEST_F(FunnelNodeTest, ReloadsAndKeepsTheOldConfigIfTheNewOneIsBad) {
  Start();
  TlsClient client = Client();
  WriteFile("{ nonsense");
  EXPECT_TRUE(AwaitMetric("funnel_node_config_reloads_total{result=\"failed\"} 1"));
  Client();
  WriteConfig("other words", api_);
  kill(getpid(), SIGHUP);
  EXPECT_TRUE(relay::Await([&] { return Get("/v0/status").find("other words") != std::string::npos; }));
  // An address that is taken refuses the whole config.
  const TestListener taken;
  WriteConfig("never seen", taken.addr());
  EXPECT_TRUE(AwaitMetric("funnel_node_config_reloads_total{result=\"failed\"} 2"));
  EXPECT_EQ(Get("/v0/status").find("never seen"), std::string::npos);
  Client();
  EXPECT_TRUE(client.Send("still here"));
  EXPECT_EQ(client.Receive(), "still here");
}

// The old config goes on with its certificates, and notices their renewal.
TEST_F(FunnelNodeTest, ARefusedConfigLeavesTheCertificatesAlone) {
  Start();
  const TestListener taken;
  WriteFile(Cat(R"({"Listen": [")", taken.addr().ToString(), R"("], "Certificates": []})"));
  EXPECT_TRUE(AwaitMetric("funnel_node_config_reloads_total{result=\"failed\"} 1"));
  Client();
  const std::string key = TestFolder() + "/node.example.key";
  const std::string away = key + ".away";
  ASSERT_EQ(std::rename(key.c_str(), away.c_str()), 0);
  EXPECT_TRUE(AwaitMetric("funnel_node_certificate_good{name=\"node.example\"} 0"));
  ASSERT_EQ(std::rename(away.c_str(), key.c_str()), 0);
  EXPECT_TRUE(AwaitMetric("funnel_node_certificate_good{name=\"node.example\"} 1"));
  Client();
}

TEST_F(FunnelNodeTest, DrainsUntilItIsEmpty) {
  Start();
  TlsClient client = Client();
  kill(getpid(), SIGUSR1);
  EXPECT_TRUE(relay::Await([&] { return Get("/readyz").starts_with("503"); }));
  EXPECT_TRUE(relay::Await([&] { return ListenTcp(api_, 1).ok(); }));  // Nobody listens there.
  EXPECT_TRUE(client.Send("still here"));
  EXPECT_EQ(client.Receive(), "still here");
  client.EndWrite();
  EXPECT_EQ(client.ReceiveAll(), "");
  thread_.join();
  EXPECT_TRUE(status_.ok());
}

TEST_F(FunnelNodeTest, ADrainWaitsOnlySoLong) {
  options_.drain_timeout = std::chrono::milliseconds(100);
  Start();
  TlsClient client = Client();  // Stays.
  kill(getpid(), SIGUSR1);
  thread_.join();
  EXPECT_TRUE(status_.ok());
}

TEST_F(FunnelNodeTest, SaysWhyItDoesNotStart) {
  WriteFile("{ nonsense");
  EXPECT_TRUE(absl::IsInvalidArgument(RunNode(options_, {.loop = loop_, .https = site_})));
  const TestListener taken;
  WriteConfig("hello", taken.addr());
  const absl::Status status = RunNode(options_, {.loop = loop_, .https = site_});
  EXPECT_NE(std::string(status.message()).find(taken.addr().ToString()), std::string::npos) << status;
  WriteConfig("hello", api_);
  options_.metrics_listen = taken.addr();
  EXPECT_TRUE(absl::IsUnavailable(RunNode(options_, {.loop = loop_, .https = site_})));
}

TEST_F(FunnelNodeTest, CheckSaysWhatIsWrong) {
  NodeReport report = CheckNode(options_);
  EXPECT_EQ(report.status, 0) << report.err;
  EXPECT_NE(report.out.find("https://node.example (Funnel on)\n|-- / "), std::string::npos) << report.out;
  EXPECT_NE(report.out.find(" days left\n"), std::string::npos);
  EXPECT_EQ(ShowStatus(options_).out.find("listen"), std::string::npos);
  options_.json = true;
  EXPECT_TRUE(ShowStatus(options_).out.starts_with("{"));
  const std::string cert = TestFolder() + "/node.example.crt";
  std::remove(cert.c_str());
  report = CheckNode(options_);
  EXPECT_EQ(report.status, 1);
  EXPECT_NE(report.err.find(cert), std::string::npos);
  EXPECT_NE(report.err.find("no certificate for node.example:443"), std::string::npos);
  WriteFile("{ nonsense");
  report = CheckNode(options_);
  EXPECT_EQ(report.status, 2);
  EXPECT_TRUE(report.err.starts_with("funnel-node: ")) << report.err;
}

}  // namespace
}  // namespace ingress
