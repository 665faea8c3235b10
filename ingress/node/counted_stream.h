// A funnel's client as whoever serves it gets it: its bytes are counted, and so is its end.
#ifndef RELAYD_INGRESS_NODE_COUNTED_STREAM_H_
#define RELAYD_INGRESS_NODE_COUNTED_STREAM_H_

#include <functional>
#include <memory>
#include <utility>

#include "ingress/node/funnel_manager.h"
#include "ingress/stream.h"

namespace ingress {

// One of Stats::active, while it lives. May outlive the manager.
class ActiveCount {
 public:
  explicit ActiveCount(std::shared_ptr<FunnelManager::Stats> stats) : stats_(std::move(stats)) {
    stats_->active.Add(1);
  }
  ActiveCount(ActiveCount&&) noexcept = default;
  ActiveCount& operator=(ActiveCount&&) = delete;
  ~ActiveCount() {
    if (stats_ != nullptr) stats_->active.Set(stats_->active.Get() - 1);
  }
  FunnelManager::Stats& stats() { return *stats_; }

 private:
  std::shared_ptr<FunnelManager::Stats> stats_;
};

class CountedStream : public Stream {
 public:
  CountedStream(std::unique_ptr<Stream> inner, ActiveCount count)
      : inner_(std::move(inner)), count_(std::move(count)) {}

  IoResult Read(std::span<char> into) override {
    const IoResult result = inner_->Read(into);
    count_.stats().bytes_in.Add(result.bytes);
    return result;
  }
  IoResult Write(std::string_view bytes) override {
    const IoResult result = inner_->Write(bytes);
    count_.stats().bytes_out.Add(result.bytes);
    return result;
  }
  IoResult EndWrite() override { return inner_->EndWrite(); }
  void Abort() override { inner_->Abort(); }
  void OnReady(std::function<void()> ready) override { inner_->OnReady(std::move(ready)); }

 private:
  std::unique_ptr<Stream> inner_;
  ActiveCount count_;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_COUNTED_STREAM_H_
