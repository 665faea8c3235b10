// Hostile and odd clients, on real sockets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <future>
#include <list>

#include "relay/control/address_list.h"
#include "relay/control/http_test_server.h"
#include "relay/control/text.h"

namespace relay {
namespace {

using testing::HasSubstr;

constexpr std::string_view kHealth = "GET /healthz HTTP/1.1\r\nHost: peer\r\n\r\n";
constexpr HttpTimes kShort = {.request = std::chrono::milliseconds(200),
                              .idle = std::chrono::milliseconds(500),
                              .linger = std::chrono::milliseconds(200),
                              .sweep = std::chrono::milliseconds(20)};

void RaiseDescriptorLimit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

class HttpLimitsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { disco::InitCrypto(); }
};

TEST_F(HttpLimitsTest, RequestsMayBeSplitAnywhere) {
  TestServer server;
  const std::string body = AllocateBody(1, 2);
  const std::string request =
      text::Cat("POST /v0/relay/endpoint HTTP/1.1\r\nHost: peer\r\nContent-Length: ", body.size(), "\r\n\r\n", body);
  RawClient client = server.Connect();
  for (const char c : request) client.Send({&c, 1});
  EXPECT_EQ(StatusOf(client.ReadResponse()), 200);
}

TEST_F(HttpLimitsTest, PipelinedRequestsAreAnsweredInOrder) {
  TestServer server;
  RawClient client = server.Connect();
  std::string requests;
  for (int i = 0; i < 200; ++i) requests += i % 2 == 0 ? kHealth : "GET /nope HTTP/1.1\r\nHost: peer\r\n\r\n";
  client.Send(requests);
  for (int i = 0; i < 200; ++i) ASSERT_EQ(StatusOf(client.ReadResponse()), i % 2 == 0 ? 200 : 404) << i;
}

TEST_F(HttpLimitsTest, ChunkedBodiesAreBodies) {
  TestServer server;
  const std::string body = AllocateBody(1, 2);
  RawClient client = server.Connect();
  client.Send("POST /v0/relay/endpoint HTTP/1.1\r\nHost: peer\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (const char c : body) client.Send(text::Cat("1\r\n", std::string_view(&c, 1), "\r\n"));
  client.Send("0\r\n\r\n");
  EXPECT_EQ(StatusOf(client.ReadResponse()), 200);

  client.Send("POST /v0/relay/endpoint HTTP/1.1\r\nHost: peer\r\nTransfer-Encoding: chunked\r\n\r\n2000\r\n");
  client.Send(std::string(0x2000, 'x'));
  EXPECT_EQ(StatusOf(client.ReadResponse()), 413);
  EXPECT_TRUE(client.IsClosed());
}

TEST_F(HttpLimitsTest, AnAnnouncedLargeBodyIsRefusedUnread) {
  TestServer server;
  RawClient client = server.Connect();
  client.Send("POST /v0/relay/endpoint HTTP/1.1\r\nHost: peer\r\nExpect: 100-continue\r\nContent-Length: 4097\r\n\r\n");
  const std::string response = client.ReadResponse();
  EXPECT_EQ(StatusOf(response), 413);
  EXPECT_EQ(HeaderOf(response, "Connection"), "close");
  client.FinishSending();
  EXPECT_TRUE(client.IsClosed());
}

TEST_F(HttpLimitsTest, AClientThatWaitsIsToldToGoOn) {
  TestServer server;
  const std::string body = AllocateBody(1, 2);
  RawClient client = server.Connect();
  client.Send(text::Cat("POST /v0/relay/endpoint HTTP/1.1\r\nHost: peer\r\nExpect: 100-continue\r\nContent-Length: ",
                        body.size(), "\r\n\r\n"));
  EXPECT_EQ(client.ReadHead(), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send(body);
  EXPECT_EQ(StatusOf(client.ReadResponse()), 200);
}

TEST_F(HttpLimitsTest, MalformedRequestsGet400AndTheConnectionEnds) {
  TestServer server;
  for (const std::string_view request :
       {"\x16\x03\x01\x02\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/2.0\r\n\r\n", "GET / HTTP/1.1\r\nHost peer\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: peer\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: peer\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "POST / HTTP/1.1\r\nHost: peer\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: peer\r\nTransfer-Encoding: gzip\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: peer\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    RawClient client = server.Connect();
    client.Send(request);
    EXPECT_EQ(StatusOf(client.ReadResponse()), 400) << request;
    client.FinishSending();
    EXPECT_TRUE(client.IsClosed()) << request;
  }
}

TEST_F(HttpLimitsTest, TwentyMegabytesOfHeadersAreCutShort) {
  TestServer server({.times = {.linger = std::chrono::seconds(10)}});
  RawClient client = server.Connect();
  std::string request = "GET /healthz HTTP/1.1\r\nHost: peer\r\n";
  while (request.size() < 20'000'000) request += "X-Filler: " + std::string(100, 'x') + "\r\n";
  EXPECT_TRUE(client.Send(request));  // The server reads on: closing at once would be a reset.
  EXPECT_EQ(StatusOf(client.ReadResponse()), 431);
}

TEST_F(HttpLimitsTest, Http10EndsTheConnectionUnlessAskedNotTo) {
  TestServer server;
  RawClient once = server.Connect();
  once.Send("GET /healthz HTTP/1.0\r\n\r\n");
  EXPECT_THAT(once.ReadToEnd(), HasSubstr("\r\n\r\nok\n"));
  RawClient kept = server.Connect();
  kept.Send("GET /v0/relay/sessions HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(HeaderOf(kept.ReadResponse(), "Connection"), "keep-alive");
  kept.Send("GET /healthz HTTP/1.0\r\n\r\n");
  EXPECT_EQ(StatusOf(kept.ReadResponse()), 200);
}

TEST_F(HttpLimitsTest, ASlowRequestAndAnIdleConnectionEnd) {
  TestServer server({.times = kShort});
  RawClient slow = server.Connect();
  slow.Send("GET /healthz HTT");
  EXPECT_TRUE(slow.IsClosed());
  EXPECT_EQ(server.stats().timed_out.Get(), 1u);

  RawClient idle = server.Connect();
  idle.Send(kHealth);
  EXPECT_EQ(StatusOf(idle.ReadResponse()), 200);
  EXPECT_TRUE(idle.IsClosed());
  EXPECT_EQ(server.stats().timed_out.Get(), 1u);
  EXPECT_TRUE(Await([&] { return server.stats().connections.Get() == 0; }));
}

TEST_F(HttpLimitsTest, AThousandConnectionsAndNoMore) {
  RaiseDescriptorLimit();
  TestServer server;
  std::list<RawClient> clients;
  for (size_t i = 0; i < kMaxConnections; ++i) clients.push_back(server.Connect());
  ASSERT_TRUE(Await([&] { return server.stats().connections.Get() == kMaxConnections; }));
  RawClient one_more = server.Connect();
  EXPECT_TRUE(one_more.IsClosed());
  EXPECT_EQ(server.stats().refused_limit.Get(), 1u);
  clients.back().Send(kHealth);
  EXPECT_EQ(StatusOf(clients.back().ReadResponse()), 200);
  clients.pop_front();
  ASSERT_TRUE(Await([&] { return server.stats().connections.Get() < kMaxConnections; }));
  RawClient next = server.Connect();
  next.Send(kHealth);
  EXPECT_EQ(StatusOf(next.ReadResponse()), 200);
}

// A look at the number of connections on every turn of the control thread.
TEST_F(HttpLimitsTest, LateConnectionsEndAFewATurn) {
  RaiseDescriptorLimit();
  TestServer server({.times = {.idle = std::chrono::seconds(1), .sweep = std::chrono::seconds(3)}});
  std::list<RawClient> clients;
  for (size_t i = 0; i < 1000; ++i) clients.push_back(server.Connect());
  ASSERT_TRUE(Await([&] { return server.stats().connections.Get() == 1000; }));
  uint64_t before = 1000, most_closed = 0;
  std::promise<void> all_closed;
  const std::function<void()> look = [&] {
    const uint64_t now = server.stats().connections.Get();
    most_closed = std::max(most_closed, before - now);
    before = now;
    now == 0 ? all_closed.set_value() : server.Post(look);
  };
  server.Post(look);
  ASSERT_EQ(all_closed.get_future().wait_for(std::chrono::seconds(30)), std::future_status::ready);
  EXPECT_GT(most_closed, 0u);
  EXPECT_LE(most_closed, 32u);
}

TEST_F(HttpLimitsTest, SixtyFourConnectionsOfOneSource) {
  const auto addresses = DiscoverAddresses(0, false);
  if (!addresses.ok() || addresses->empty() || addresses->front().IsLoopback()) GTEST_SKIP() << "loopback alone here";
  TestServer server({.listen = addresses->front()});
  std::list<RawClient> clients;
  for (size_t i = 0; i < kMaxConnectionsPerSource; ++i) clients.push_back(server.Connect());
  RawClient one_more = server.Connect();
  EXPECT_TRUE(one_more.IsClosed());
  EXPECT_EQ(server.stats().refused_source.Get(), 1u);
  clients.pop_front();
  ASSERT_TRUE(Await([&] { return server.stats().connections.Get() < kMaxConnectionsPerSource; }));
  RawClient next = server.Connect();
  next.Send(kHealth);
  EXPECT_EQ(StatusOf(next.ReadResponse()), 200);
}

// Takes the connection over and sends back what stood behind the request.
class Hijacker : public HttpHandler {
 public:
  void Handle(const HttpRequest&, std::shared_ptr<Exchange> exchange) override {
    exchange->Hijack([](int fd, std::string behind) {
      const std::string answer = "HTTP/1.1 101 Switching Protocols\r\n\r\n" + behind;
      EXPECT_EQ(write(fd, answer.data(), answer.size()), static_cast<ssize_t>(answer.size()));
      close(fd);
    });
  }
};

TEST_F(HttpLimitsTest, AHandlerMayTakeTheConnectionAndTheBytesBehindTheRequest) {
  Hijacker hijacker;
  TestServer server({.handler = &hijacker});
  RawClient client = server.Connect();
  client.Send("POST /v0/ingress HTTP/1.1\r\nHost: peer\r\nContent-Length: 0\r\n\r\nraw bytes");
  EXPECT_EQ(client.ReadToEnd(), "HTTP/1.1 101 Switching Protocols\r\n\r\nraw bytes");
  EXPECT_TRUE(Await([&] { return server.stats().connections.Get() == 0; }));
}

}  // namespace
}  // namespace relay
