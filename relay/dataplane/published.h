// A value that one thread replaces now and then and workers read without locks: old ones are freed when every worker
// has moved on.
#ifndef RELAYD_RELAY_DATAPLANE_PUBLISHED_H_
#define RELAYD_RELAY_DATAPLANE_PUBLISHED_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>

#include "relay/core/qsbr.h"

namespace relay {

template <typename T>
class Published {
 public:
  // `qsbr` outlives this. Begins with a default T.
  explicit Published(Qsbr& qsbr) : qsbr_(qsbr), owned_(std::make_unique<const T>()) { current_ = owned_.get(); }

  // Workers, while online in the Qsbr: good until they are next quiescent.
  const T& Load() const { return *current_.load(std::memory_order_acquire); }

  // One thread. Frees what earlier calls replaced and nobody holds any more.
  void Publish(std::unique_ptr<const T> value) {
    current_.store(value.get(), std::memory_order_release);
    std::swap(owned_, value);
    retired_.push_back({qsbr_.Start(), std::move(value)});
    Reclaim();
  }
  void Reclaim() {
    while (!retired_.empty() && qsbr_.Passed(retired_.front().token)) retired_.pop_front();
  }
  // The same thread as Publish.
  const T& Latest() const { return *owned_; }

 private:
  struct Retired {
    uint64_t token;
    std::unique_ptr<const T> value;
  };
  Qsbr& qsbr_;
  std::unique_ptr<const T> owned_;
  std::atomic<const T*> current_;
  std::deque<Retired> retired_;
};

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_PUBLISHED_H_
