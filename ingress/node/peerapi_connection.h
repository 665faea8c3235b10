// A connection to the peerAPI, until its one request has been read.
#ifndef RELAYD_INGRESS_NODE_PEERAPI_CONNECTION_H_
#define RELAYD_INGRESS_NODE_PEERAPI_CONNECTION_H_

#include <functional>
#include <string>

#include "ingress/event_loop.h"
#include "ingress/node/peerapi_server.h"
#include "relay/control/fd.h"
#include "relay/control/http_parser.h"
#include "relay/control/prefix.h"

namespace ingress {

class PeerApiConnection : private EventLoop::Handler {
 public:
  enum class End : uint8_t { kRequest, kMalformed, kHeadTooBig, kTimeout, kGone };
  using Done = std::function<void(PeerApiConnection&, End)>;

  // `done` is called once, from the loop, and may destroy the connection.
  PeerApiConnection(EventLoop& loop, relay::Fd fd, const AddrPort& remote, const PeerApiServer::Options& options,
                    Done done);
  ~PeerApiConnection() override;
  PeerApiConnection(const PeerApiConnection&) = delete;
  PeerApiConnection& operator=(const PeerApiConnection&) = delete;

  bool Watch();  // False: the loop takes no more.

  // After kRequest; its body may be missing.
  const relay::HttpRequest& request() { return parser_.request(); }
  // The connection itself, and what stood behind the request's head.
  relay::Fd Release();
  std::string TakeBehind() { return std::move(unread_); }
  const AddrPort& remote() const { return remote_; }

 private:
  void OnEvents(uint32_t events) override;
  void OnTimeout();
  void Finish(End end);

  EventLoop& loop_;
  relay::Fd fd_;
  const AddrPort remote_;
  const PeerApiServer::Options& options_;
  Done done_;
  relay::HttpParser parser_;
  std::string unread_;  // What the parser has not taken.
  bool begun_ = false;
  Timer timer_;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_PEERAPI_CONNECTION_H_
