// HTTP requests and answers as the API sees them: no sockets, and no HTTP library.
#ifndef RELAYD_RELAY_CONTROL_HTTP_MESSAGE_H_
#define RELAYD_RELAY_CONTROL_HTTP_MESSAGE_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "disco/addr_port.h"

namespace relay {

inline constexpr size_t kMaxHeadBytes = 8192;
inline constexpr size_t kMaxBodyBytes = 4096;

// One request, complete, or refused while it was read. Views are good until its Exchange has been answered.
struct HttpRequest {
  struct Field {
    std::string_view name, value;
  };

  std::string_view method;  // As sent: methods are case-sensitive.
  std::string_view target;
  std::vector<Field> fields;
  std::string_view body;      // Empty if body_too_big.
  bool body_too_big = false;  // Over kMaxBodyBytes.
  bool http11 = true;         // Else HTTP/1.0.
  bool tls = false;
  disco::AddrPort remote, local;

  // The first field so called, in any letter case; nullptr if there is none.
  const std::string_view* Find(std::string_view name) const;
  size_t Count(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string_view content_type = "text/plain; charset=utf-8";
  std::string body;
  std::string_view allow = {};  // Of a 405.
  bool retry_after = false;     // Retry-After: 3.
  bool close = false;           // Ends the connection, whatever the request wanted.

  static HttpResponse Json(std::string body) { return {.content_type = "application/json", .body = std::move(body)}; }
  // An error is one line.
  static HttpResponse Error(int status, std::string_view line) {
    return {.status = status, .body = std::string(line) + '\n'};
  }
};

struct ResponseFraming {
  bool head_only = false;  // The answer to a HEAD.
  bool close = false;
  bool say_keep_alive = false;  // HTTP/1.0 needs to be told.
};
std::string_view ReasonPhrase(int status);
// Replaces `out` by head and body, to be sent in one write.
void WriteResponse(const HttpResponse& response, const ResponseFraming& framing, std::string& out);

// A request's way back. Control thread; used once, at once or later.
class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual void Respond(HttpResponse response) = 0;

  // Takes over the connection: `taker` owns the descriptor (non-blocking) and gets the bytes that stood behind the
  // request. It writes what the client is to see, such as a 101. Not over TLS, whose bytes are not the client's own.
  using Taker = std::function<void(int fd, std::string behind)>;
  virtual void Hijack(Taker taker) = 0;
};

// What answers requests. Called on the control thread.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  virtual void Handle(const HttpRequest& request, std::shared_ptr<Exchange> exchange) = 0;
};

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_HTTP_MESSAGE_H_
