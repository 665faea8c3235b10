// A funnel's client as whoever serves it gets it: its bytes are counted, and so is its end.
#ifndef RELAYD_INGRESS_NODE_COUNTED_STREAM_H_
#define RELAYD_INGRESS_NODE_COUNTED_STREAM_H_

#include <functional>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "ingress/node/funnel_manager.h"
#include "ingress/stream.h"
#include "relay/control/prefix.h"

namespace ingress {

// How many are open of a client's /32 or /64.
class ActiveSources {
 public:
  size_t Of(const relay::Prefix& source) const {
    const auto found = counts_.find(source);
    return found == counts_.end() ? 0 : found->second;
  }
  void Add(const relay::Prefix& source) { ++counts_[source]; }
  void Remove(const relay::Prefix& source) {
    const auto found = counts_.find(source);
    if (--found->second == 0) counts_.erase(found);
  }

 private:
  absl::flat_hash_map<relay::Prefix, size_t> counts_;
};

// One of Stats::active and of its source, while it lives. May outlive the manager.
class ActiveCount {
 public:
  ActiveCount(std::shared_ptr<FunnelManager::Stats> stats, std::shared_ptr<ActiveSources> sources,
              const relay::Prefix& source)
      : stats_(std::move(stats)), sources_(std::move(sources)), source_(source) {
    stats_->active.Add(1);
    sources_->Add(source_);
  }
  ActiveCount(ActiveCount&&) noexcept = default;
  ActiveCount& operator=(ActiveCount&&) = delete;
  ~ActiveCount() {
    if (stats_ == nullptr) return;
    stats_->active.Set(stats_->active.Get() - 1);
    sources_->Remove(source_);
  }
  FunnelManager::Stats& stats() { return *stats_; }

 private:
  std::shared_ptr<FunnelManager::Stats> stats_;
  std::shared_ptr<ActiveSources> sources_;
  relay::Prefix source_;
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
