// One HTTP request and its answer, as they stream: between what speaks to the client (HTTP/1.1 or h2) and what answers
// (a backend, a file, a text). No sockets here; all on the loop's thread.
#ifndef RELAYD_INGRESS_NODE_HTTP_EXCHANGE_H_
#define RELAYD_INGRESS_NODE_HTTP_EXCHANGE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ingress/stream.h"

namespace ingress {

using HttpFields = std::vector<std::pair<std::string, std::string>>;  // Names as sent; compared ignoring case.

struct RequestHead {
  std::string method;
  std::string target;     // Origin form, `/path?query`, or `*`.
  std::string authority;  // Of Host or :authority, as sent.
  // From the client: without hop-by-hop ones, Host, Content-Length and Expect; nothing yet added or removed beyond.
  // For a responder: as the backend is to see them, X-Forwarded-* set; Host and framing are the responder's to write.
  HttpFields fields;
  std::optional<uint64_t> content_length;
  bool has_body = false;           // Bytes, or an unknown number of them, will come; then OnBodyEnd.
  bool upgrade_websocket = false;  // HTTP/1.1 alone: Upgrade: websocket, whose Sec-WebSocket-* are among fields.
  bool te_trailers = false;        // The client takes trailers (TE: trailers).
  bool http2 = false;
};

struct ResponseHead {
  int status = 200;
  HttpFields fields;                       // Without hop-by-hop ones and content-length.
  std::optional<uint64_t> content_length;  // Unknown: chunked, or h2's own end. Of a HEAD's answer: what GET's has.
};

// The client's side, which owns the responder and outlives it. It calls the responder from the loop alone, never from
// within a call of the responder's. After Finish, Abort or OnAborted it is called no more, and it destroys the
// responder later, from the loop.
class HttpTransaction {
 public:
  virtual ~HttpTransaction() = default;

  // Once, before the body. Informational heads (103; 100, which is passed on at most once) may come before it.
  virtual void SendHead(const ResponseHead& head) = 0;
  // Takes as many bytes as its buffer has room for; after fewer than offered, Responder::OnSendReady comes. Of an
  // answer that has no body (to HEAD; 204, 304) the bytes are taken and dropped.
  virtual size_t SendBody(std::string_view bytes) = 0;
  // The body is complete. What is left of the request's body is not given any more.
  virtual void Finish(const HttpFields& trailers) = 0;
  // The answer cannot be completed: h1 closes the connection, h2 resets the stream. Before SendHead: answers 502.
  virtual void Abort() = 0;
  // The responder has done with `bytes` of the request's body: that many more may come.
  virtual void Consumed(size_t bytes) = 0;
  // Instead of SendHead, of an upgrade_websocket: sends the 101 and gives the connection's bytes away. The responder
  // lives on with them and says Finish or Abort when it has done; nothing else is called meanwhile but, when the
  // service ends, OnAborted. HTTP/1.1 alone.
  virtual std::unique_ptr<Stream> Upgrade(const ResponseHead& head) = 0;
};

// What answers one request. It may answer before the request's body is complete.
class HttpResponder {
 public:
  virtual ~HttpResponder() = default;
  // First, and once: from here on, not before, it may call the transaction.
  virtual void Start() = 0;
  // Some of the request's body. At most kWindow bytes are given that were not yet Consumed.
  virtual void OnBody(std::string_view bytes) = 0;
  // Only if has_body. `trailers` are free of what CleanTrailers removes (forwarded_headers.h).
  virtual void OnBodyEnd(const HttpFields& trailers) = 0;
  virtual void OnSendReady() = 0;
  // The client is gone. The transaction is not called any more.
  virtual void OnAborted() = 0;

  static constexpr size_t kWindow = 65'536;
};

// Chooses what answers a request; never nullptr, as refusals are responders too. Does not call the transaction. The
// head is the connection's, after its own checks.
using RequestRouter = std::function<std::unique_ptr<HttpResponder>(HttpTransaction&, RequestHead)>;

// A client's connection with its transactions, HTTP/1.1 or h2, which owns its stream. Destroyed, it is closed and its
// responders are told OnAborted.
class HttpConnection {
 public:
  virtual ~HttpConnection() = default;
  // No request after those that are being answered, or HTTP/1.1's first one; then it closes.
  virtual void Drain() = 0;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_HTTP_EXCHANGE_H_
