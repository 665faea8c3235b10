// Writes HTTP/1.1 answers: heads, and bodies in their framing. No I/O.
#ifndef RELAYD_INGRESS_NODE_HTTP1_RESPONSE_H_
#define RELAYD_INGRESS_NODE_HTTP1_RESPONSE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ingress/node/http_exchange.h"

namespace ingress {

enum class BodyFraming : uint8_t {
  kNone,     // To HEAD, and of 1xx, 204 and 304.
  kLength,   // Content-Length.
  kChunked,  // An unknown length.
  kToClose,  // The same to an HTTP/1.0 client.
};
BodyFraming FramingOf(const ResponseHead& head, bool to_head, bool http11);

// Appends status line, fields, what frames the body, and the empty line. Fields that are none (a line end in a value)
// or that frame are left out, whoever said them.
void AppendHead(const ResponseHead& head, BodyFraming framing, bool close, std::string& out);
// A 101: `Connection: Upgrade` and `Upgrade: websocket` are among what it says.
void AppendUpgrade(const ResponseHead& head, std::string& out);
void AppendChunk(std::string_view data, std::string& out);  // Not empty.
void AppendLastChunk(const HttpFields& trailers, std::string& out);
// What AppendChunk adds to its data at most.
inline constexpr size_t kMaxChunkOverhead = 20;

// One request's answer, as its responder gives it, put into bytes. Appends to the `out` of each call.
class Http1Answer {
 public:
  Http1Answer() = default;
  // `expects_continue`: the client waits for a 100.
  Http1Answer(bool to_head, bool http11, bool expects_continue)
      : to_head_(to_head), http11_(http11), expects_continue_(expects_continue) {}

  // Informational heads that this client cannot take are left out. `close`: the connection will be. False: it was
  // informational.
  bool Head(const ResponseHead& head, bool close, std::string& out);
  // Takes no more than makes `room` bytes; nullopt: more than Content-Length said. What has no body takes all.
  std::optional<size_t> Body(std::string_view bytes, size_t room, std::string& out);
  // False: less than Content-Length said, or there was no head.
  bool Finish(const HttpFields& trailers, std::string& out);

  bool has_head() const { return has_head_; }
  // It was told neither to continue nor anything else: it may send its body or not, and what follows cannot be told
  // from it. HTTP/1.0 and answers that end with the connection apart.
  bool must_close() const { return expects_continue_ || !http11_; }

 private:
  bool to_head_ = false, http11_ = true, expects_continue_ = false;
  bool has_head_ = false;
  BodyFraming framing_ = BodyFraming::kNone;
  uint64_t left_ = 0;  // Of kLength.
};

// May be empty, as it may be by RFC 9112.
std::string_view HttpReason(int status);

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_HTTP1_RESPONSE_H_
