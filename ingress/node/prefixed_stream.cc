#include "ingress/node/prefixed_stream.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace ingress {
namespace {

class PrefixedStream final : public Stream {
 public:
  PrefixedStream(std::unique_ptr<Stream> stream, std::string behind, std::string first)
      : stream_(std::move(stream)), behind_(std::move(behind)), first_(std::move(first)) {
    Arm();
    Flush();
  }

  IoResult Read(std::span<char> into) override {
    if (behind_.empty()) return stream_->Read(into);
    const size_t size = std::min(into.size(), behind_.size());
    std::copy_n(behind_.begin(), size, into.begin());
    behind_.erase(0, size);
    return {.status = size > 0 ? IoStatus::kOk : IoStatus::kAgain, .bytes = size};
  }
  IoResult Write(std::string_view bytes) override {
    const IoStatus status = Flush();
    return status == IoStatus::kOk ? stream_->Write(bytes) : IoResult{.status = status, .bytes = 0};
  }
  IoResult EndWrite() override {
    const IoStatus status = Flush();
    return status == IoStatus::kOk ? stream_->EndWrite() : IoResult{.status = status, .bytes = 0};
  }
  void Abort() override { stream_->Abort(); }
  void OnReady(std::function<void()> ready) override {
    ready_ = std::move(ready);
    Arm();
  }
  int RawFd() const override { return behind_.empty() && first_.empty() ? stream_->RawFd() : -1; }

 private:
  // Nobody else may be about to write, so what is left of first_ goes out as soon as it can.
  void Arm() {
    if (first_.empty()) return stream_->OnReady(ready_);
    stream_->OnReady([this] {
      Flush();
      const std::function<void()> ready = ready_;  // A copy: it may destroy the stream.
      if (ready) ready();
    });
  }
  IoStatus Flush() {
    while (!first_.empty()) {
      const IoResult result = stream_->Write(first_);
      if (result.status != IoStatus::kOk) return result.status;
      first_.erase(0, result.bytes);
    }
    return IoStatus::kOk;
  }

  std::unique_ptr<Stream> stream_;
  std::string behind_, first_;
  std::function<void()> ready_;
};

}  // namespace

std::unique_ptr<Stream> MakePrefixedStream(std::unique_ptr<Stream> stream, std::string behind, std::string first) {
  return std::make_unique<PrefixedStream>(std::move(stream), std::move(behind), std::move(first));
}

}  // namespace ingress
