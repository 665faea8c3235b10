// Accepts on one thread. Every thread watches the same listeners, and the kernel wakes one of them (EPOLLEXCLUSIVE).
#ifndef RELAYD_INGRESS_FRONTEND_ACCEPTOR_H_
#define RELAYD_INGRESS_FRONTEND_ACCEPTOR_H_

#include <cstdint>
#include <functional>
#include <list>
#include <memory>

#include "ingress/event_loop.h"
#include "ingress/frontend/public_listeners.h"
#include "relay/control/fd.h"

namespace ingress {

// On its loop's thread.
class Acceptor {
 public:
  // A visit's: then others' events have their turn.
  static constexpr int kMostAVisit = 32;
  // Out of descriptors or memory, and nothing helps at once: nobody is accepted for so long.
  static constexpr Duration kPause = std::chrono::milliseconds(100);

  // `fd` is -1 if there was no descriptor for it: it was accepted by the spare one, and is closed already.
  using Accepted = std::function<void(relay::Fd fd, const AddrPort& peer, uint16_t port)>;

  Acceptor(EventLoop& loop, Accepted accepted);
  ~Acceptor() { Stop(); }
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  void Start(std::shared_ptr<const PublicListeners> listeners);
  void Stop();  // Lets go of the listeners.

 private:
  struct Watch final : EventLoop::Handler {
    Watch(Acceptor& a, const PublicListener& l) : acceptor(a), listener(l) {}
    void OnEvents(uint32_t) override { acceptor.Visit(listener); }
    Acceptor& acceptor;
    const PublicListener& listener;
  };

  void Visit(const PublicListener& listener);
  bool Failed(int error, const PublicListener& listener);  // True: go on.
  void WatchAll();
  void WatchNone();

  EventLoop& loop_;
  const Accepted accepted_;
  std::shared_ptr<const PublicListeners> listeners_;
  std::list<Watch> watches_;
  relay::Fd spare_;
  Timer pause_;
  Instant warned_at_{};
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_FRONTEND_ACCEPTOR_H_
