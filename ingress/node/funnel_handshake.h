// One connection between the 101 and its finished TLS handshake.
#ifndef RELAYD_INGRESS_NODE_FUNNEL_HANDSHAKE_H_
#define RELAYD_INGRESS_NODE_FUNNEL_HANDSHAKE_H_

#include <openssl/ssl.h>

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <utility>

#include "ingress/event_loop.h"
#include "ingress/tls_stream.h"
#include "relay/control/fd.h"

namespace ingress {

// What the ClientHello is held against.
struct HelloRules {
  std::string name;             // The one server name, canonical.
  bool http = false;            // ALPN h2 and http/1.1, in this order, and no other one; else no ALPN is answered.
  bool has_certificate = true;  // Else the handshake fails, unless it is ACME's.
  bool acme = false;            // A hello that offers acme-tls/1 alone is taken back.
};

class FunnelHandshake {
 public:
  enum class Outcome : uint8_t { kDone, kFailed, kTimeout, kWrongName, kNoCertificate, kAcme };
  // Called once, from the loop; takes what it wants out of the handshake, which ends with it.
  using Done = std::function<void(FunnelHandshake&, Outcome)>;

  // Steps of all handshakes, a few a turn: each may be a private key operation, and who waits behind them are
  // connections that are served.
  class Queue {
   public:
    static constexpr size_t kStepsATurn = 4;  // A millisecond each at worst (RSA 2048).

    explicit Queue(EventLoop& loop) : work_(loop, [this] { Run(); }) {}

   private:
    friend class FunnelHandshake;
    void Run();

    std::list<FunnelHandshake*> waiting_;
    Deferred work_;
  };

  // `stream` is at its first step. The queue outlives it.
  FunnelHandshake(EventLoop& loop, Queue& queue, std::unique_ptr<TlsStream> stream, HelloRules rules, Duration timeout,
                  Done done);
  ~FunnelHandshake();
  FunnelHandshake(const FunnelHandshake&) = delete;
  FunnelHandshake& operator=(const FunnelHandshake&) = delete;

  TlsStream& stream() { return *stream_; }
  std::unique_ptr<TlsStream> TakeStream() { return std::move(stream_); }  // kDone.

 private:
  TlsVerdict Decide(const TlsHello& hello);
  void Wait();
  void Step();
  void Finish(Outcome outcome);

  Queue& queue_;
  std::unique_ptr<TlsStream> stream_;
  const HelloRules rules_;
  Done done_;
  Outcome refused_as_ = Outcome::kFailed;
  std::list<FunnelHandshake*>::iterator place_;  // In the queue.
  bool waits_ = false;
  Timer timeout_;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_FUNNEL_HANDSHAKE_H_
