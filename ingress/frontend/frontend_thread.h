// One of the frontend's threads: a loop, its listeners' events and its connections.
#ifndef RELAYD_INGRESS_FRONTEND_FRONTEND_THREAD_H_
#define RELAYD_INGRESS_FRONTEND_FRONTEND_THREAD_H_

#include <memory>
#include <string>
#include <thread>

#include "ingress/frontend/acceptor.h"
#include "ingress/frontend/connection_home.h"
#include "ingress/frontend/public_listeners.h"

namespace ingress {

// Control thread, but for stats (any).
class FrontendThread {
 public:
  FrontendThread(FrontendShared& shared, size_t index, size_t max_pipes,
                 std::shared_ptr<const PublicListeners> listeners);
  ~FrontendThread();  // Closes its connections.

  void Start();
  void SetRouting(std::shared_ptr<const Routing> routing);
  void SetLimits(std::shared_ptr<const FrontendLimits> limits);
  void CloseRoute(const std::string& name);
  void Drain();
  const ThreadStats& stats() const { return home_.stats; }

 private:
  // Now, if the thread does not run yet; else there.
  void OnLoop(std::function<void()> work);
  void CloseAll(const std::function<bool(const Connection&)>& which);

  ConnectionHome home_;
  Acceptor acceptor_;
  std::thread thread_;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_FRONTEND_FRONTEND_THREAD_H_
