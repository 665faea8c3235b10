#include "ingress/node/embedded_node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <fstream>
#include <optional>
#include <sstream>
#include <thread>

#include "ingress/tls_fixture.h"
#include "relay/control/http_test_server.h"
#include "relay/control/text.h"

namespace ingress {
namespace {

using relay::text::Cat;
using testing::HasSubstr;
using testing::StartsWith;

// A request's way back; its connection is a socket of the test's.
class FakeExchange : public relay::Exchange {
 public:
  explicit FakeExchange(relay::Fd fd) : fd_(std::move(fd)) {}
  void Respond(relay::HttpResponse response) override { answer = std::move(response); }
  void Hijack(Taker taker) override { taker(fd_.Release(), ""); }

  std::optional<relay::HttpResponse> answer;

 private:
  relay::Fd fd_;
};

class EmbeddedNodeTest : public testing::Test {
 protected:
  EmbeddedNodeTest() {
    MakeServerContext("node.example");
    Write("hello");
  }
  void Write(const std::string& text) const {
    const std::string folder = TestFolder();
    WriteFile(Cat(R"({"TCP": {"443": {"HTTPS": true}}, "Web": {"node.example:443": {"Handlers": {"/": {"Text": ")",
                  text, R"("}}}}, "AllowFunnel": {"node.example:443": true},
      "Certificates": [{"Name": "node.example", "Cert": ")",
                  folder, R"(/node.example.crt", "Key": ")", folder, R"(/node.example.key"}]})"));
  }
  // In one step, as it is to be seen.
  void WriteFile(const std::string& text) const {
    std::ofstream(path_ + ".new") << text;
    ASSERT_EQ(std::rename((path_ + ".new").c_str(), path_.c_str()), 0);
  }
  void Start() {
    auto started = EmbeddedNode::Start(path_, {}, shares_);
    ASSERT_TRUE(started.ok()) << started.status();
    node_ = *std::move(started);
  }
  std::optional<relay::HttpResponse> Ask(std::string_view method, relay::Fd fd, std::string_view target) const {
    relay::HttpRequest request;
    request.method = method;
    request.fields = {{"Tailscale-Ingress-Src", "203.0.113.9:1"}, {"Tailscale-Ingress-Target", target}};
    const auto exchange = std::make_shared<FakeExchange>(std::move(fd));
    node_->Handle(request, exchange);
    return exchange->answer;
  }
  // A public client's connection, taken over.
  Peer Switch() const {
    TcpPair pair;
    EXPECT_FALSE(Ask("POST", std::move(pair.ours), "node.example:443"));
    EXPECT_EQ(pair.peer.ReceiveExactly(36), "HTTP/1.1 101 Switching Protocols\r\n\r\n");
    return std::move(pair.peer);
  }
  TlsClient Client() const {
    TlsClient client(Switch(), {.name = "node.example"});
    EXPECT_TRUE(client.Handshake());
    return client;
  }
  static std::string Get(TlsClient& client) {
    client.Send("GET / HTTP/1.1\r\nHost: node.example\r\n\r\n");
    return client.Receive();
  }
  std::string Metrics() const {
    std::vector<prometheus::MetricFamily> families;
    node_->Collect(families);
    std::ostringstream text;
    prometheus::TextSerializer().Serialize(text, families);
    return text.str();
  }
  bool AwaitMetric(const std::string& line) const {
    return relay::Await([&] { return Metrics().find(line + "\n") != std::string::npos; });
  }

  const std::string path_ = TestFolder() + "/serve.json";
  DescriptorShares shares_ = DescriptorShares::Of(4096);
  std::unique_ptr<EmbeddedNode> node_;
};

TEST_F(EmbeddedNodeTest, ServesWhatIsBroughtAndCountsIt) {
  Start();
  EXPECT_EQ(Ask("GET", {}, "node.example:443")->allow, "POST");
  EXPECT_EQ(Ask("POST", {}, "other.example:443")->status, 403);
  EXPECT_EQ(Ask("POST", {}, "")->body, "Tailscale-Ingress-Target header not set\n");
  TlsClient client = Client();
  EXPECT_THAT(Get(client), testing::EndsWith("hello"));
  EXPECT_EQ(node_->connections(), 1u);
  const std::string metrics = Metrics();
  for (const char* const line :
       {"funnel_node_connections 1", "funnel_node_accepted_total 1",
        "funnel_node_certificate_good{name=\"node.example\"} 1", "funnel_node_config_reloads_total{result=\"ok\"} 0"}) {
    EXPECT_THAT(metrics, HasSubstr(Cat(line, "\n")));
  }
}

// As funnel-node ends them: else a browser's idle connection would hold up the end of relayd until it times out.
TEST_F(EmbeddedNodeTest, ADrainEndsIdleConnections) {
  Start();
  TlsClient client = Client();
  EXPECT_THAT(Get(client), testing::EndsWith("hello"));
  node_->Drain();
  EXPECT_EQ(client.Receive(), "");
  client.peer().Close();
  EXPECT_TRUE(relay::Await([&] { return node_->connections() == 0; }));
}

TEST_F(EmbeddedNodeTest, WithoutRoomItSaysSoAndCountsIt) {
  shares_.active = 1;
  Start();
  const TlsClient client = Client();
  TcpPair pair;
  EXPECT_FALSE(Ask("POST", std::move(pair.ours), "node.example:443"));
  EXPECT_THAT(pair.peer.ReceiveAll(), StartsWith("HTTP/1.1 503 "));
  EXPECT_TRUE(AwaitMetric("funnel_node_no_room_total 1"));
}

TEST_F(EmbeddedNodeTest, ReadsItsFilesAgainWhenTheyChangeAndWhenItIsTold) {
  Start();
  TlsClient before = Client();
  Write("other words");
  EXPECT_TRUE(AwaitMetric("funnel_node_config_reloads_total{result=\"ok\"} 1"));
  TlsClient after = Client();
  EXPECT_THAT(Get(after), testing::EndsWith("other words"));
  EXPECT_THAT(Get(before), testing::EndsWith("hello"));
  node_->Reload();
  EXPECT_TRUE(AwaitMetric("funnel_node_config_reloads_total{result=\"ok\"} 2"));
  WriteFile("{ nonsense");
  EXPECT_TRUE(AwaitMetric("funnel_node_config_reloads_total{result=\"failed\"} 1"));
  Client();
}

TEST_F(EmbeddedNodeTest, SaysWhyItDoesNotStartAndEndsWhateverIsOpen) {
  const absl::Status missing = EmbeddedNode::Start("/nowhere/serve.json", {}, shares_).status();
  EXPECT_TRUE(absl::IsInvalidArgument(missing));
  EXPECT_THAT(std::string(missing.message()), HasSubstr("/nowhere/serve.json"));
  Start();
  TlsClient client = Client();
  const Peer handshaking = Switch();
  TcpPair posted;
  node_->Handle({}, std::make_shared<FakeExchange>(std::move(posted.ours)));
  node_.reset();
  EXPECT_THAT(handshaking.Receive(), testing::AnyOf("", "reset"));
}

}  // namespace
}  // namespace ingress
