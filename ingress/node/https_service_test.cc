#include "ingress/node/https_service.h"

#include <gtest/gtest.h>

#include <list>
#include <string>

#include "ingress/node/memory_stream_fixture.h"
#include "ingress/node/responder_fixture.h"
#include "relay/control/text.h"

namespace ingress {
namespace {

namespace text = relay::text;

std::shared_ptr<const ServeConfig> Config(std::string_view text) {
  auto parsed = ServeConfig::Parse(
      text::Cat(R"({"TCP": {"443": {"HTTPS": true}}, "Web": {"node.example:443": {"Handlers": {"/": {"Text": ")", text,
                R"("}, "/app": {"Proxy": "3000"}}}}})"),
      "serve.json", {});
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  return std::make_shared<const ServeConfig>(*std::move(parsed));
}

struct HttpsServiceTest : testing::Test {
  void Connect(MemoryClient& client, bool h2 = false, std::string_view text = "hello",
               std::string_view source = "203.0.113.7:4711") {
    FunnelConnection connection{.stream = client.TakeStream(),
                                .source = *AddrPort::Parse(source),
                                .target = *HostPort::Parse("node.example:443")};
    service->Serve(std::move(connection), h2, Config(text));
  }
  std::string Ask(MemoryClient& client, std::string_view path) {
    client.Send(text::Cat("GET ", path, " HTTP/1.1\r\nHost: node.example\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n"));
    Settle(loop);
    return client.Receive();
  }

  EventLoop loop;
  FakeBackend backend;
  std::unique_ptr<HttpsServer> Make() {
    return MakeHttpsService(
        loop, {.max_connections = 50, .proxy = [this](HttpTransaction& transaction, RequestHead head, const Backend&) {
                 return backend.Make(transaction, std::move(head));
               }});
  }
  std::unique_ptr<HttpsServer> service = Make();
};

TEST_F(HttpsServiceTest, ServesEachConnectionByTheConfigItCameWith) {
  MemoryClient first(loop), second(loop);
  Connect(first, false, "one");
  Connect(second, false, "two");
  EXPECT_TRUE(Ask(first, "/").ends_with("\r\n\r\none"));
  EXPECT_TRUE(Ask(second, "/").ends_with("\r\n\r\ntwo"));
  EXPECT_EQ(service->stats().connections.Get(), 2u);
  EXPECT_EQ(service->stats().requests.Get(), 2u);
  first.EndWrite();
  Settle(loop);
  EXPECT_TRUE(first.closed());
  EXPECT_EQ(service->stats().connections.Get(), 1u);
}

TEST_F(HttpsServiceTest, ProxiesWithTheClientsAddress) {
  MemoryClient client(loop);
  Connect(client);
  backend.on_start = [](Exchanged& exchange) { FakeBackend::Answer(exchange, "from behind"); };
  EXPECT_TRUE(Ask(client, "/app/x?y").ends_with("\r\n\r\nfrom behind"));
  EXPECT_EQ(backend.last().head.target, "/x?y");
  EXPECT_EQ(backend.last().head.fields[0], (std::pair<std::string, std::string>("X-Forwarded-For", "203.0.113.7")));
}

TEST_F(HttpsServiceTest, NoMoreConnectionsThanTheLimit) {
  std::list<MemoryClient> clients;
  for (size_t i = 0; i < 50; ++i) Connect(clients.emplace_back(loop));
  MemoryClient one_more(loop), and_h2(loop);
  Connect(one_more);
  Connect(and_h2, true);
  Settle(loop);
  const std::string refusal = one_more.Receive();
  EXPECT_TRUE(refusal.starts_with("HTTP/1.1 503 ")) << refusal;
  EXPECT_EQ(refusal.size() - refusal.find("\r\n\r\n") - 4, 21u) << "Content-Length";
  EXPECT_TRUE(one_more.closed() && and_h2.closed());
  EXPECT_EQ(service->stats().refused_limit.Get(), 2u);
  clients.front().EndWrite();
  Settle(loop);
  MemoryClient again(loop);
  Connect(again);
  EXPECT_TRUE(Ask(again, "/").ends_with("hello"));
}

TEST_F(HttpsServiceTest, OneClientDoesNotKeepOthersOut) {
  service = MakeHttpsService(loop, {.max_connections = 50, .max_per_source = 20});
  std::list<MemoryClient> clients;
  for (size_t i = 0; i < 21; ++i) {
    Connect(clients.emplace_back(loop), false, "hello", text::Cat("[2001:db8::", i, "]:", 1000 + i));
  }
  Settle(loop);
  EXPECT_TRUE(clients.back().Receive().starts_with("HTTP/1.1 503 "));
  EXPECT_EQ(service->stats().refused_source.Get(), 1u);
  MemoryClient other(loop);
  Connect(other);
  EXPECT_TRUE(Ask(other, "/").ends_with("hello"));
  clients.front().EndWrite();
  Settle(loop);
  MemoryClient again(loop);
  Connect(again, false, "hello", "[2001:db8::77]:1");
  EXPECT_TRUE(Ask(again, "/").ends_with("hello"));
}

TEST_F(HttpsServiceTest, DrainsAndEnds) {
  MemoryClient idle(loop), busy(loop);
  Connect(idle);
  EXPECT_TRUE(Ask(idle, "/").ends_with("hello"));
  Connect(busy);
  Ask(busy, "/app");
  service->Drain();
  Settle(loop);
  EXPECT_TRUE(idle.closed());
  EXPECT_FALSE(busy.closed());
  FakeBackend::Answer(backend.last(), "late");
  Settle(loop);
  EXPECT_TRUE(busy.closed() && busy.Receive().ends_with("late"));

  MemoryClient cut(loop);
  backend.exchanges.clear();
  service = Make();
  Connect(cut);
  Ask(cut, "/app");
  service.reset();
  EXPECT_TRUE(cut.closed() && backend.last().aborted);
}

}  // namespace
}  // namespace ingress
