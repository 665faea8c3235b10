// For tests: one HTTP/2 connection, its client and its responders.
#ifndef RELAYD_INGRESS_NODE_HTTP2_SERVER_FIXTURE_H_
#define RELAYD_INGRESS_NODE_HTTP2_SERVER_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "ingress/node/http2_client_fixture.h"
#include "ingress/node/http2_server.h"
#include "ingress/node/responder_fixture.h"

namespace ingress {

struct Http2ServerTest : testing::Test {
  using Upload = Http2Client::Upload;
  void Serve(const Http2Limits& limits = {}, bool opens_windows = true) {
    connection = MakeHttp2Connection(
        loop, wire.TakeStream(), backend.router(), stats,
        [this] {
          closed = true;
          connection.reset();
        },
        limits);
    client.emplace(loop, wire, opens_windows);
  }
  void AnswerAll(std::string_view body) {
    backend.on_start = [body = std::string(body)](Exchanged& exchange) { FakeBackend::Answer(exchange, body); };
  }
  // Bytes that the client's session would not send. It may have said nothing yet.
  void SendFrame(uint8_t type, uint8_t flags, int32_t id, std::string_view payload) {
    const auto byte = [](size_t value, int shift) { return static_cast<char>(value >> shift & 0xff); };
    const auto stream = static_cast<uint32_t>(id);
    std::string frame = {byte(payload.size(), 16), byte(payload.size(), 8),  byte(payload.size(), 0),
                         static_cast<char>(type),  static_cast<char>(flags), byte(stream, 24),
                         byte(stream, 16),         byte(stream, 8),          byte(stream, 0)};
    wire.Send(frame.append(payload));
  }

  EventLoop loop;
  MemoryClient wire{loop};
  FakeBackend backend;
  HttpsStats stats;
  bool closed = false;
  std::unique_ptr<HttpConnection> connection;
  std::optional<Http2Client> client;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_HTTP2_SERVER_FIXTURE_H_
