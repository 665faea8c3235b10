// The listeners that the application has installed, and what waits for it to accept.
#ifndef RELAYD_INGRESS_NODE_FUNNEL_LISTENERS_H_
#define RELAYD_INGRESS_NODE_FUNNEL_LISTENERS_H_

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "ingress/node/funnel_listener.h"

namespace ingress {

class FunnelListeners {
 public:
  // Of one listener; its handshakes hold it weakly, as the listener may be dropped meanwhile.
  struct Waiting {
    std::deque<FunnelConnection> finished;
    size_t handshaking = 0;  // Will want a place in `finished`.
    std::function<void()> ready;
  };

  bool empty() const { return listeners_.empty(); }
  std::shared_ptr<Waiting> Find(const HostPort& target) const {
    const auto found = listeners_.find(target);
    return found == listeners_.end() ? nullptr : found->second;
  }
  // The target has none.
  std::unique_ptr<FunnelListener> Install(const HostPort& target, std::function<void()> ready);

 private:
  class Installed;

  std::map<HostPort, std::shared_ptr<Waiting>> listeners_;
};

// Its target, while it lives. What waits when it goes is reset.
class FunnelListeners::Installed : public FunnelListener {
 public:
  Installed(FunnelListeners& all, HostPort target, std::shared_ptr<Waiting> waiting)
      : all_(all), target_(std::move(target)), waiting_(std::move(waiting)) {}
  ~Installed() override {
    for (const FunnelConnection& connection : waiting_->finished) connection.stream->Abort();
    all_.listeners_.erase(target_);
  }
  std::optional<FunnelConnection> Accept() override {
    if (waiting_->finished.empty()) return std::nullopt;
    FunnelConnection first = std::move(waiting_->finished.front());
    waiting_->finished.pop_front();
    return first;
  }

 private:
  FunnelListeners& all_;
  const HostPort target_;
  const std::shared_ptr<Waiting> waiting_;
};

inline std::unique_ptr<FunnelListener> FunnelListeners::Install(const HostPort& target, std::function<void()> ready) {
  auto waiting = std::make_shared<Waiting>();
  waiting->ready = std::move(ready);
  listeners_.emplace(target, waiting);
  return std::make_unique<Installed>(*this, target, std::move(waiting));
}

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_FUNNEL_LISTENERS_H_
