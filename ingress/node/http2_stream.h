// One request and its answer on an HTTP/2 connection.
#ifndef RELAYD_INGRESS_NODE_HTTP2_STREAM_H_
#define RELAYD_INGRESS_NODE_HTTP2_STREAM_H_

#include <nghttp2/nghttp2.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ingress/event_loop.h"
#include "ingress/node/http2_request.h"
#include "ingress/node/http_exchange.h"
#include "ingress/node/https_stats.h"

namespace ingress {

// Gives frames to its session, which the connection sends when it is awake. The session outlives it.
class Http2Stream final : public HttpTransaction {
 public:
  Http2Stream(EventLoop& loop, nghttp2_session* session, int32_t id, Deferred& wake, HttpsStats& stats)
      : session_(session), id_(id), wake_(wake), stats_(stats), stop_body_(loop, [this] { StopBody(); }) {}
  ~Http2Stream() override;
  Http2Stream(const Http2Stream&) = delete;
  Http2Stream& operator=(const Http2Stream&) = delete;

  // The connection's side.
  Http2Request& request() { return request_; }
  int32_t id() const { return id_; }
  void Answer(std::unique_ptr<HttpResponder> responder);  // Nothing was routed before.
  void Refuse(int status);                                // Instead of Answer.
  void OnData(std::string_view bytes);
  void OnDataEnd();
  void OnAnswerSent();  // All of it; more of the request may come.
  // The stream is over. True: its client has ended it before the answer was whole.
  bool OnClosed();
  // Lets the responder go on if it waits and may, and go if it has done.
  void Settle();
  bool is_answering() const { return responder_ != nullptr; }

  void SendHead(const ResponseHead& head) override;
  size_t SendBody(std::string_view bytes) override;
  void Finish(const HttpFields& trailers) override;
  void Abort() override;
  void Consumed(size_t bytes) override;
  std::unique_ptr<Stream> Upgrade(const ResponseHead& head) override;

 private:
  static constexpr size_t kMaxUnsent = 65'536;
  static constexpr size_t kWorthMore = kMaxUnsent / 2;  // A responder that waits goes on when so much is unsent.

  // Of a body that nobody wants any more: so much of it, and for so long, is dropped. Then its client is told. Clients
  // that are told together with the answer may take that for lost (curl 7.88).
  static constexpr size_t kMaxDrained = 262'144;
  static constexpr Duration kDrainTime = std::chrono::milliseconds(200);

  void Drain(size_t bytes);
  void StopBody();
  static ssize_t ReadBody(nghttp2_session*, int32_t, uint8_t* buffer, size_t size, uint32_t* flags,
                          nghttp2_data_source* source, void*);
  ssize_t TakeBody(uint8_t* buffer, size_t size, uint32_t* flags);
  void SubmitHead(const ResponseHead& head, bool with_body);
  size_t unsent() const { return body_.size() - body_at_; }

  nghttp2_session* const session_;
  const int32_t id_;
  Deferred& wake_;
  HttpsStats& stats_;
  Timer stop_body_;
  Http2Request request_;
  std::unique_ptr<HttpResponder> responder_;
  std::optional<ResponseHead> head_only_;  // Of an answer without a body: goes with its end.
  std::string body_;                       // From body_at_ on it is yet to be sent.
  size_t body_at_ = 0;
  HttpFields trailers_;
  size_t unconsumed_ = 0;      // Of the request's body.
  size_t drained_ = 0;         // Of it.
  bool continue_due_ = false;  // 100 was asked for and not said yet.
  bool head_sent_ = false;
  bool no_body_ = false;
  bool aborted_ = false;
  bool deferred_ = false;     // nghttp2 waits to be told that there is more.
  bool starved_ = false;      // The responder waits for room.
  bool answer_sent_ = false;  // With its end.
  bool done_ = false;         // The responder is called no more.
  bool closed_ = false;       // The stream is no more.
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_HTTP2_STREAM_H_
