// For tests: one HTTP/1.1 connection, its client and its responders.
#ifndef RELAYD_INGRESS_NODE_HTTP1_SERVER_FIXTURE_H_
#define RELAYD_INGRESS_NODE_HTTP1_SERVER_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

#include "ingress/node/http1_server.h"
#include "ingress/node/memory_stream_fixture.h"
#include "ingress/node/responder_fixture.h"

namespace ingress {

inline constexpr std::string_view kGet = "GET /x HTTP/1.1\r\nHost: node.example\r\n\r\n";

struct Http1ServerTest : testing::Test {
  void Serve(const Http1Times& times = {}) {
    connection = MakeHttp1Connection(
        loop, client.TakeStream(), backend.router(), stats,
        [this] {
          EXPECT_FALSE(closed) << "it is told once";
          closed = true;
          turns_left = 3;
          bury.Schedule();
        },
        times);
  }
  std::string Ask(std::string_view bytes) {
    client.Send(bytes);
    Settle(loop);
    return client.Receive();
  }
  void AnswerAll(std::string_view body) {
    backend.on_start = [body = std::string(body)](Exchanged& exchange) { FakeBackend::Answer(exchange, body); };
  }

  EventLoop loop;
  MemoryClient client{loop};
  FakeBackend backend;
  HttpsStats stats;
  bool closed = false;
  std::unique_ptr<HttpConnection> connection;
  // An owner may take its time to destroy it.
  int turns_left = 0;
  Deferred bury{loop, [this] { turns_left-- > 0 ? bury.Schedule() : connection.reset(); }};
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_HTTP1_SERVER_FIXTURE_H_
