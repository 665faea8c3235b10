#include "ingress/frontend/frontend_thread.h"

#include <pthread.h>
#include <signal.h>

#include <utility>

#include "ingress/frontend/connection.h"
#include "relay/control/text.h"

namespace ingress {

FrontendThread::FrontendThread(FrontendShared& shared, size_t index, size_t max_pipes,
                               std::shared_ptr<const PublicListeners> listeners)
    : home_(shared, index, max_pipes), acceptor_(home_.loop, [this](relay::Fd fd, const AddrPort& peer, uint16_t port) {
        Connection::Accept(home_, std::move(fd), peer, port);
      }) {
  acceptor_.Start(std::move(listeners));
}

FrontendThread::~FrontendThread() {
  if (thread_.joinable()) {
    home_.loop.Stop();
    thread_.join();
  }
  acceptor_.Stop();
  CloseAll([](const Connection&) { return true; });
}

void FrontendThread::Start() {
  // The thread inherits the mask: signals are others' business, and SIGPIPE, which splice raises, is nobody's.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { home_.loop.Run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(thread_.native_handle(), relay::text::Cat("ingress", home_.index).c_str());
}

void FrontendThread::SetRouting(std::shared_ptr<const Routing> routing) {
  OnLoop([this, routing = std::move(routing)] { home_.routing = routing; });
}

void FrontendThread::SetLimits(std::shared_ptr<const FrontendLimits> limits) {
  OnLoop([this, limits = std::move(limits)] { home_.limits = limits; });
}

void FrontendThread::CloseRoute(const std::string& name) {
  OnLoop([this, name] {
    CloseAll([&name](const Connection& connection) {
      return connection.route() != nullptr && connection.route()->config().name == name;
    });
  });
}

void FrontendThread::Drain() {
  OnLoop([this] { acceptor_.Stop(); });
}

void FrontendThread::OnLoop(std::function<void()> work) {
  if (!thread_.joinable()) return work();
  home_.loop.Post(std::move(work));
}

void FrontendThread::CloseAll(const std::function<bool(const Connection&)>& which) {
  for (auto next = home_.connections.begin(); next != home_.connections.end();) {
    Connection& connection = *next++;
    if (which(connection)) connection.Close({CloseReason::kDrained});
  }
}

}  // namespace ingress
