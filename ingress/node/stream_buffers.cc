#include "ingress/node/stream_buffers.h"

#include <cstring>
#include <utility>

namespace ingress {

bool InBuffer::Fill(Stream& stream) {
  if (eof_ || broken_) return false;
  if (bytes_ == nullptr) bytes_ = std::make_unique_for_overwrite<char[]>(capacity_);
  if (begin_ > 0) std::memmove(bytes_.get(), bytes_.get() + begin_, end_ - begin_);
  end_ -= std::exchange(begin_, 0);
  if (end_ == capacity_) return false;
  const IoResult result = stream.Read({bytes_.get() + end_, capacity_ - end_});
  eof_ = result.status == IoStatus::kEnd;
  broken_ = result.status == IoStatus::kError;
  if (result.status == IoStatus::kOk) end_ += result.bytes;
  return result.status != IoStatus::kAgain;
}

void InBuffer::Release() {
  bytes_.reset();
  begin_ = end_ = 0;
}

OutBuffer::Flushed OutBuffer::Flush(Stream& stream) {
  static constexpr size_t kWorthMoving = 32'768;
  Flushed flushed = Flushed::kNothing;
  while (!unsent().empty()) {
    const IoResult result = stream.Write(unsent());
    if (result.status == IoStatus::kAgain) break;
    if (result.status != IoStatus::kOk) return Flushed::kBroken;
    sent_ += result.bytes;
    flushed = Flushed::kSome;
  }
  if (sent_ == bytes_.size() || sent_ >= kWorthMoving) bytes_.erase(0, std::exchange(sent_, 0));
  return flushed;
}

void OutBuffer::Release() {
  bytes_ = {};
  sent_ = 0;
}

}  // namespace ingress
