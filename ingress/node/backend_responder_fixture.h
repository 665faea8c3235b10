// For tests: requests to a backend that does what the test says.
#ifndef RELAYD_INGRESS_NODE_BACKEND_RESPONDER_FIXTURE_H_
#define RELAYD_INGRESS_NODE_BACKEND_RESPONDER_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "ingress/loop_fixture.h"
#include "ingress/node/backend_dial.h"
#include "ingress/node/backend_fixture.h"
#include "ingress/node/backend_responder.h"

namespace ingress {

inline constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
inline constexpr std::string_view kOkAnswer = "[200 2]ok.";

inline RequestHead Request(std::string method, std::optional<uint64_t> length = {}, bool has_body = false) {
  RequestHead head;
  head.method = std::move(method);
  head.target = "/path";
  head.authority = "node.example";
  head.content_length = length;
  head.has_body = has_body || length.value_or(0) > 0;
  return head;
}

struct Exchange {
  FakeTransaction transaction;
  std::unique_ptr<HttpResponder> responder;
};

class BackendResponderTest : public testing::Test {
 protected:
  explicit BackendResponderTest(BackendTimes times = {}) {
    thread.Call([&] {
      server.emplace(thread.loop);
      backend.addr = server->addr();
      pool.emplace(thread.loop, MakeBackendDial(std::make_shared<LingeringCloser>(thread.loop)), times);
    });
  }
  ~BackendResponderTest() override {
    thread.Call([&] {
      exchanges.clear();
      pool.reset();
      server.reset();
      loose.clear();
    });
  }

  Exchange& Begin(const RequestHead& head, size_t room = SIZE_MAX) {
    Exchange& exchange = exchanges.emplace_back();
    thread.Call([&] {
      exchange.transaction.room = room;
      exchange.responder = MakeBackendResponder(*pool, exchange.transaction, head, backend);
      exchange.responder->Start();
    });
    return exchange;
  }
  void AwaitRequests(size_t peer, size_t count) {
    EXPECT_TRUE(thread.Await([&] {
      if (server->peers.size() <= peer) return false;
      size_t found = 0;
      const std::string& received = Peer(peer).received;
      for (size_t at = received.find("\r\n\r\n"); at != received.npos; at = received.find("\r\n\r\n", at + 4)) ++found;
      return found >= count;
    }));
  }
  void AwaitAnswer(Exchange& exchange, const testing::Matcher<std::string>& answer) {
    EXPECT_TRUE(thread.Await([&] { return exchange.transaction.done; }));
    thread.Call([&] {
      EXPECT_THAT(exchange.transaction.answer, answer);
      exchange.responder.reset();
    });
  }
  FakePeer& Peer(size_t i) { return *std::next(server->peers.begin(), static_cast<std::ptrdiff_t>(i)); }
  void Serve(Exchange& exchange, size_t peer, size_t count) {
    AwaitRequests(peer, count);
    thread.Call([&] { Peer(peer).Send(kOk); });
    AwaitAnswer(exchange, std::string(kOkAnswer));
  }

  LoopThread thread;
  std::optional<FakeServer> server;
  std::optional<BackendPool> pool;
  Backend backend;
  std::list<Exchange> exchanges;
  std::list<FakePeer> loose;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_BACKEND_RESPONDER_FIXTURE_H_
