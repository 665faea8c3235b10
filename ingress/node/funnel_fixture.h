// For tests: peerAPI and manager on a loop's thread, with an HTTPS service that says what it was given.
#ifndef RELAYD_INGRESS_NODE_FUNNEL_FIXTURE_H_
#define RELAYD_INGRESS_NODE_FUNNEL_FIXTURE_H_

#include <gtest/gtest.h>

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <utility>

#include "ingress/node/funnel_manager.h"
#include "ingress/node/peerapi_server.h"
#include "ingress/tls_fixture.h"
#include "relay/control/text.h"

namespace ingress {

// Says once what it serves, then echoes, and ends when the client does.
class EchoSite : public HttpsService {
 public:
  void Serve(FunnelConnection connection, bool h2, std::shared_ptr<const ServeConfig>) override {
    served_.push_back(std::make_unique<One>());
    One& one = *served_.back();
    one.self = std::prev(served_.end());
    one.stream = std::move(connection.stream);
    const std::string hello =
        connection.target.ToString() + " " + connection.source.ToString() + (h2 ? " h2\n" : " http/1.1\n");
    one.stream->Write(hello);
    one.stream->OnReady([this, &one] { Step(one); });
    Step(one);
  }
  void Clear() { served_.clear(); }

 private:
  struct One {
    std::unique_ptr<Stream> stream;
    std::list<std::unique_ptr<One>>::iterator self;
  };
  void Step(One& one) {
    char bytes[4096];
    for (;;) {
      const IoResult result = one.stream->Read(bytes);
      if (result.status == IoStatus::kAgain) return;
      if (result.status == IoStatus::kEnd) one.stream->EndWrite();
      if (result.status != IoStatus::kOk) {
        served_.erase(one.self);
        return;
      }
      one.stream->Write({bytes, result.bytes});
    }
  }

  std::list<std::unique_ptr<One>> served_;
};

inline constexpr std::string_view kTestSource = "203.0.113.9:4711";

class FunnelTest : public testing::Test {
 protected:
  FunnelTest() {
    options_.handshake_timeout = api_options_.request_time = std::chrono::minutes(2);  // Whatever the machine does.
    MakeServerContext("node.example");
    MakeServerContext("forward.example");
  }
  ~FunnelTest() override {
    thread_.Call([this] {
      listener_.reset();
      server_.reset();
      manager_.reset();
      site_.Clear();
    });
    thread_.Join();
  }

  static std::string File(const std::string& name) { return TestFolder() + "/" + name; }
  // The parts of a config that all have, with `rest` between the braces: it begins with a comma, or is empty.
  static std::string Config(const std::string& rest) {
    return R"({"Listen": ["127.0.0.1:9"], "Peers": [{"prefix": "127.0.0.0/8", "capabilities": ["ingress"]}],)"
           R"("Certificates": [{"Name": "node.example", "Cert": ")" +
           File("node.example.crt") + R"(", "Key": ")" + File("node.example.key") +
           R"("}, {"Name": "forward.example", "Cert": ")" + File("forward.example.crt") + R"(", "Key": ")" +
           File("forward.example.key") + R"("}])" + rest + "}";
  }
  static std::string WebConfig() {
    return Config(R"(, "TCP": {"443": {"HTTPS": true}},
      "Web": {"node.example:443": {"Handlers": {"/": {"Text": "hello"}}},
              "bare.example:443": {"Handlers": {"/": {"Text": "hello"}}},
              "*.wild.example:443": {"Handlers": {"/": {"Text": "hello"}}}},
      "AllowFunnel": {"node.example:443": true, "bare.example:443": true, "*.wild.example:443": true})");
  }

  void Start(const std::string& config) {
    thread_.Call([&] {
      manager_ = FunnelManager::Make(thread_.loop, site_, options_);
      server_ = PeerApiServer::Make(thread_.loop, *manager_, api_options_);
      SetConfigHere(config);
    });
    if (!HasFailure()) addr_ = thread_.Call([&] { return server_->local().at(0); });
  }
  void SetConfig(const std::string& config) {
    thread_.Call([&] { SetConfigHere(config); });
  }

  Peer Connect() const { return Peer::Connect(addr_); }
  static std::string Post(const std::string& target, std::string_view source = kTestSource) {
    return relay::text::Cat("POST /v0/ingress HTTP/1.1\r\nHost: peer\r\nTailscale-Ingress-Src: ", source,
                            "\r\nTailscale-Ingress-Target: ", target, "\r\nContent-Length: 0\r\n\r\n");
  }
  // A connection behind its 101.
  Peer Switch(const std::string& target, std::string_view source = kTestSource) const {
    Peer peer = Connect();
    peer.Send(Post(target, source));
    EXPECT_EQ(peer.ReceiveExactly(kSwitched.size()), kSwitched);
    return peer;
  }
  // The first line of what comes, or what else happens.
  std::string StatusLine(const std::string& target, std::string_view source = kTestSource) const {
    const Peer peer = Connect();
    peer.Send(Post(target, source));
    const std::string answer = peer.Receive();
    return answer.substr(0, answer.find("\r\n"));
  }
  TlsClient Tls(const std::string& target, TlsClient::Options options, std::string_view source = kTestSource) const {
    return {Switch(target, source), options};
  }
  bool AwaitIdle() {
    return thread_.Await([this] { return manager_->stats().active.Get() == 0; });
  }
  const FunnelManager::Stats& stats() const { return manager_->stats(); }

  static constexpr std::string_view kSwitched = "HTTP/1.1 101 Switching Protocols\r\n\r\n";

  LoopThread thread_;
  EchoSite site_;
  FunnelManager::Options options_;
  PeerApiServer::Options api_options_;
  std::unique_ptr<FunnelManager> manager_;
  std::unique_ptr<PeerApiServer> server_;
  std::unique_ptr<FunnelListener> listener_;
  AddrPort addr_;

 private:
  void SetConfigHere(const std::string& text) {
    auto parsed = ServeConfig::Parse(text, "test.json", {});
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    for (AddrPort& addr : parsed->listen) {
      if (addr.port == 9) addr.port = 0;  // A free one, which no config may ask for.
    }
    const auto config = std::make_shared<const ServeConfig>(*std::move(parsed));
    certificates_ = Certificates::Load(config->certificates, certificates_.get());
    manager_->SetCertificates(certificates_);
    manager_->SetConfig(config);
    const absl::Status bound = server_->SetConfig(config);
    ASSERT_TRUE(bound.ok()) << bound;
  }
  std::shared_ptr<const Certificates> certificates_;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_FUNNEL_FIXTURE_H_
