// One HTTP/2 connection: nghttp2's session between a stream and our streams. http2_server.h is what others see of it.
#ifndef RELAYD_INGRESS_NODE_HTTP2_CONNECTION_H_
#define RELAYD_INGRESS_NODE_HTTP2_CONNECTION_H_

#include <nghttp2/nghttp2.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ingress/event_loop.h"
#include "ingress/node/http2_server.h"
#include "ingress/node/http2_stream.h"
#include "ingress/node/http_exchange.h"
#include "ingress/stream.h"
#include "relay/core/token_bucket.h"

namespace ingress {

class Http2Connection final : public HttpConnection {
 public:
  Http2Connection(EventLoop& loop, std::unique_ptr<Stream> stream, RequestRouter router, HttpsStats& stats,
                  std::function<void()> closed, const Http2Limits& limits);
  ~Http2Connection() override;
  Http2Connection(const Http2Connection&) = delete;
  Http2Connection& operator=(const Http2Connection&) = delete;

  void Drain() override;

  // What nghttp2 tells, as its callbacks return it: 0, or NGHTTP2_ERR_CALLBACK_FAILURE to end the connection.
  int OnFrameBegun(const nghttp2_frame_hd& frame);
  int OnStreamBegun(int32_t id);
  int OnField(int32_t id, std::string_view name, std::string_view value);
  int OnFrame(const nghttp2_frame& frame);
  int OnData(int32_t id, std::string_view bytes);
  int OnFrameSent(const nghttp2_frame& frame);
  int OnBadFrame(int error);
  int OnStreamClosed(int32_t id);

 private:
  static constexpr int kReadsAVisit = 4;  // Then others have their turn.
  static constexpr int kWritesAVisit = 8;

  struct DeleteSession {
    void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
  };
  // So many a second, beginning with a number at once.
  struct Allowance {
    relay::TokenBucket bucket;
    std::atomic<int64_t> full_at_ns{0};
  };

  void Run();
  void Receive();
  void Send();
  void Gather();
  void Settle();
  void OnTimer();
  void End();
  int Charge(Allowance& allowance);
  void Terminate(uint32_t error);
  int Route(Http2Stream& stream, bool has_body);
  Http2Stream* Find(int32_t id);
  bool is_answering() const;

  EventLoop& loop_;
  std::unique_ptr<Stream> stream_;
  const RequestRouter router_;
  HttpsStats& stats_;
  std::function<void()> closed_;
  const Http2Limits limits_;
  Deferred wake_;  // Frames are to be sent, or something is to be settled.
  Timer timer_;
  std::unique_ptr<nghttp2_session, DeleteSession> session_;
  std::map<int32_t, std::unique_ptr<Http2Stream>> streams_;
  std::vector<std::unique_ptr<Http2Stream>> ended_;  // Until no call is within them.
  std::string unsent_;                               // Frames, from unsent_at_ on.
  size_t unsent_at_ = 0;
  Allowance resets_, idle_frames_;
  Instant last_move_, quiet_since_;
  bool was_answering_ = false;
  bool routed_ = false;  // A request, since.
  bool flooded_ = false;
  bool over_ = false;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_HTTP2_CONNECTION_H_
