// Answers a request with what an HTTP/1.1 backend answers to it, both bodies as they stream.
#ifndef RELAYD_INGRESS_NODE_BACKEND_RESPONDER_H_
#define RELAYD_INGRESS_NODE_BACKEND_RESPONDER_H_

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string_view>

#include "ingress/byte_pump.h"
#include "ingress/event_loop.h"
#include "ingress/node/backend_pool.h"
#include "ingress/node/backend_request.h"
#include "ingress/node/http_exchange.h"
#include "ingress/node/response_parser.h"
#include "ingress/node/serve_config.h"

namespace ingress {

// `head` as the backend is to see it: cleaned, the identity fields set, the mount stripped and Backend.path_prefix in
// front. Host is its authority. A backend that cannot be reached or talks nonsense is 502, one that does not answer
// 504, and one with too many connections 503.
std::unique_ptr<HttpResponder> MakeBackendResponder(BackendPool& pool, HttpTransaction& transaction,
                                                    const RequestHead& head, const Backend& backend);

// Never more than kWindow bytes wait here on either way: a side that takes none stops the other one.
class BackendResponder final : public HttpResponder {
 public:
  BackendResponder(BackendPool& pool, HttpTransaction& transaction, const RequestHead& head, Backend backend);
  ~BackendResponder() override;

  void Start() override;
  void OnBody(std::string_view bytes) override;
  void OnBodyEnd(const HttpFields& trailers) override;
  void OnSendReady() override;
  void OnAborted() override;

 private:
  static constexpr size_t kBuffer = HttpResponder::kWindow;
  static constexpr int kReadsAVisit = 4;  // Then others have their turn.

  bool Connect(bool fresh);
  void Run();
  void Send();
  void Receive();
  bool Parse();
  bool PassBody();
  void TakeUpgrade();
  void OnInputEnd(bool orderly);
  void Complete();
  void Fail(int status, relay::Counter& counter);
  void Close();
  void OnTimer();

  BackendPool& pool_;
  HttpTransaction& transaction_;
  const Backend backend_;
  const ResponseParser::Asked asked_;
  BackendRequest request_;
  ResponseParser parser_;
  std::unique_ptr<BackendConnection> connection_;  // nullptr: not yet, or not any more.
  std::unique_ptr<BytePump> tunnel_;               // Instead of what is below, once upgraded.
  std::unique_ptr<char[]> buffer_;                 // Of kBuffer; the backend's bytes [begin_, end_) are unread.
  size_t begin_ = 0, end_ = 0;
  std::string_view unsent_;  // Of the body, in the buffer: the client's side has no room for it.
  bool connected_ = false;
  bool received_ = false;   // Anything at all, on this connection.
  bool head_sent_ = false;  // The answer's.
  bool send_broken_ = false;
  bool done_ = false;  // The transaction is called no more.
  Instant last_move_;
  Timer timer_;
  Deferred again_;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_BACKEND_RESPONDER_H_
