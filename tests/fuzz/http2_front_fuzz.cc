// Whatever a client sends to the HTTP/2 front, behind an honest preface, in any pieces: every request that was routed
// gets a body no longer than it may be, and its responder is let go of.
#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

#include "ingress/node/http2_server.h"
#include "ingress/node/http_syntax.h"
#include "ingress/node/memory_stream_fixture.h"
#include "ingress/node/responder_fixture.h"
#include "tests/fuzz/check.h"

namespace {

using fuzz::Check;
using namespace ingress;  // NOLINT(build/namespaces)

// By the path: what the responder does.
void Play(Exchanged& exchange) {
  const std::string& path = exchange.head.target;
  Check(IsToken(exchange.head.method) && IsOriginForm(path), "a request line that a backend reads as one");
  Check(!exchange.head.authority.empty() && IsFieldValue(exchange.head.authority), "an authority");
  for (const auto& [name, value] : exchange.head.fields) {
    Check(IsToken(name) && IsFieldValue(value), "fields hold no line ends");
  }
  if (path == "/abort") return exchange.transaction->Abort();
  if (path == "/wait") return;
  exchange.transaction->SendHead({.status = path == "/none" ? 204 : 200, .fields = {}, .content_length = {}});
  exchange.transaction->SendBody(std::string(path == "/big" ? 60'000 : 10, 'x'));
  if (path == "/half") return exchange.transaction->Abort();
  exchange.transaction->Finish({{"trailer", "x"}});
}

}  // namespace

// The first byte: does the responder consume, and in pieces of how many bytes it comes; the second one: how much room
// there is for answers.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  EventLoop loop;
  MemoryClient wire(loop);
  FakeBackend backend;
  backend.on_start = Play;
  backend.consume = (data[0] & 1) != 0;
  HttpsStats stats;
  std::unique_ptr<HttpConnection> connection;
  connection = MakeHttp2Connection(loop, wire.TakeStream(), backend.router(), stats, [&] { connection.reset(); }, {});
  wire.SetPiece(data[0] < 2 ? SIZE_MAX : data[0] / 2u);
  wire.SetRoom(data[1] == 0 ? SIZE_MAX : data[1] * 64u);
  wire.Send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  wire.Send({reinterpret_cast<const char*>(data) + 2, size - 2});
  size_t before = 0;
  do {
    before = wire.unread();
    Settle(loop);
    wire.Receive();
  } while (connection != nullptr && wire.unread() < before);
  for (const auto& exchange : backend.exchanges) {
    Check(exchange->unconsumed <= HttpResponder::kWindow, "never more than the window");
    Check(!exchange->head.content_length || exchange->body.size() <= *exchange->head.content_length, "not too long");
  }
  connection.reset();
  for (const auto& exchange : backend.exchanges) Check(exchange->destroyed, "no responder is left");
  return 0;
}
