// One public connection, from accept to close: hello, route, dial, splice.
#ifndef RELAYD_INGRESS_FRONTEND_CONNECTION_H_
#define RELAYD_INGRESS_FRONTEND_CONNECTION_H_

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "ingress/event_loop.h"
#include "ingress/frontend/connection_home.h"
#include "ingress/frontend/hello_intake.h"
#include "ingress/frontend/node_dialer.h"
#include "ingress/frontend/route.h"
#include "ingress/frontend/splice_pump.h"
#include "ingress/source_table.h"
#include "relay/control/fd.h"

namespace ingress {

// On its home's thread, in its list. What it needs before it is spliced alone is freed by then: an idle one has
// some 700 bytes.
class Connection {
 public:
  // `port`: that clients see. `proxied`: a PROXY header comes first, and says the client.
  Connection(ConnectionHome& home, relay::Fd client, const AddrPort& peer, uint16_t port, bool proxied);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Puts a new connection into its home's list, if the limits allow it, and begins it.
  static void Accept(ConnectionHome& home, relay::Fd client, const AddrPort& peer, uint16_t port);
  // Counts and logs it, and destroys it. As does every function that may call this: `this` is gone where they say so.
  void Close(CloseCause cause);
  const Route* route() const { return route_.get(); }  // nullptr: not known yet.

 private:
  // Either socket: what the loop tells of it.
  struct Side final : EventLoop::Handler {
    using Told = void (Connection::*)(uint32_t events);
    Side(Connection& c, Told t) : connection(c), told(t) {}
    void OnEvents(uint32_t events) override { (connection.*told)(events); }

    Connection& connection;
    const Told told;
    relay::Fd fd;
    uint32_t seen = 0;  // Of kReadable, and not read yet; kLastBytes stay.
  };
  struct Way {
    SplicePump pump;
    bool queued = false;  // For again_.
    bool paused = false;  // By bytes_per_second.
  };
  enum class State : uint8_t { kHello, kDial, kSplice, kAlert };

  // connection.cc. Each may end in Close.
  void OnClient(uint32_t events);
  void OnNode(uint32_t events);
  void OnTimer();
  void Alert(uint8_t description, CloseCause cause);
  void DrainAfterAlert();
  AccessRecord Record(const std::string& reason) const;

  // connection_hello.cc.
  void ReadHello();
  bool TakeProxyHeader();  // False: its source has too many.
  bool AdmitSource();
  void LeavePending();
  void FindRoute();
  void Dialed(NodeDialer::State state);

  // connection_splice.cc. False: closed.
  void BeginSplice();
  bool Visit(Way& way);
  bool Moved(Way& way, const SplicePump::Visit& visit);
  bool Carry(Way& way, uint32_t& seen);
  size_t Allowance(Way& way);
  void Again();
  void Resume();
  void Count(const Way& way, size_t written);
  void Reset();

  ConnectionHome& home_;
  std::list<Connection>::iterator self_;
  State state_ = State::kHello;
  bool pending_ = false;
  bool spliced_ = false;
  uint16_t port_;
  Side client_, node_;
  AddrPort addr_;  // The client's.
  Timer timer_;    // Of the state; the idle one looks when it expires, and is not set again by every byte.
  Instant began_;
  Instant active_;
  std::optional<Duration> hello_took_, dial_took_;

  std::unique_ptr<HelloIntake> intake_;  // Until it is spliced.
  std::unique_ptr<NodeDialer> dialer_;   // While it dials.

  std::string name_;
  std::shared_ptr<Route> route_;
  std::shared_ptr<RouteSeries> series_;
  SourceTable::Ticket source_;
  Route::Ticket place_;
  int node_index_ = -1;        // In route_; the last one that was tried.
  bool node_counted_ = false;  // It counts this connection.
  CloseCause cause_;           // Of kAlert.
  size_t drained_ = 0;         // Of kAlert.

  Way to_node_, to_client_;
  uint64_t bytes_to_node_ = 0, bytes_to_client_ = 0;
  std::optional<Deferred> again_;  // Once it is spliced.
  std::unique_ptr<Timer> pace_;    // Of paced routes.
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_FRONTEND_CONNECTION_H_
