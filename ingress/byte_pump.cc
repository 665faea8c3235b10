#include "ingress/byte_pump.h"

#include <utility>
#include <vector>

namespace ingress {
namespace {

constexpr size_t kBufferBytes = 65'536;  // Four of the largest TLS records.
constexpr int kBuffersAVisit = 4;        // Then others have their turn.

// One of the thread's, on the heap: static memory of a thread is taken from the stack of every thread there is, and
// civetweb's have 100 KiB.
std::span<char> Buffer() {
  static thread_local std::vector<char> buffer(kBufferBytes);
  return buffer;
}

}  // namespace

BytePump::BytePump(EventLoop& loop, std::unique_ptr<Stream> a, std::unique_ptr<Stream> b, Duration idle_time,
                   std::function<void(End)> ended)
    : loop_(loop),
      a_(std::move(a)),
      b_(std::move(b)),
      up_{.from = a_.get(), .to = b_.get(), .held = {}},
      down_{.from = b_.get(), .to = a_.get(), .held = {}},
      idle_time_(idle_time),
      last_move_(loop.now()),
      ended_(std::move(ended)),
      again_(loop, [this] { OnReady(); }),
      idle_(loop, [this] { OnIdle(); }) {
  a_->OnReady([this] { OnReady(); });
  b_->OnReady([this] { OnReady(); });
  idle_.Set(idle_time_);
  again_.Schedule();  // Either may have bytes already.
}

// What is cut short must not look whole.
BytePump::~BytePump() {
  if (!ended_) return;
  a_->Abort();
  b_->Abort();
}

void BytePump::OnReady() {
  const Visit up = Move(up_);
  const Visit down = up == Visit::kReset ? Visit::kReset : Move(down_);
  if (down == Visit::kReset) return Finish(End::kReset);
  if (up_.done && down_.done) return Finish(End::kDone);
  if (up == Visit::kMore || down == Visit::kMore) again_.Schedule();
}

// False: the rest is held, or `to` is broken.
bool BytePump::Drain(Way& way, std::string_view bytes) {
  while (!bytes.empty()) {
    const IoResult result = way.to->Write(bytes);
    if (result.status != IoStatus::kOk) {
      reset_ = result.status == IoStatus::kError;
      break;
    }
    last_move_ = loop_.now();
    bytes.remove_prefix(result.bytes);
  }
  // `bytes` may be a part of `held`. Swapped, as an empty one keeps its memory otherwise.
  std::string rest(bytes);
  way.held.swap(rest);
  return way.held.empty();
}

BytePump::Visit BytePump::Move(Way& way) {
  if (way.done) return Visit::kWaits;
  if (!way.held.empty() && !Drain(way, way.held)) {
    // Who is not read is asked for a reset otherwise.
    return reset_ || way.from->Write({}).status == IoStatus::kError ? Visit::kReset : Visit::kWaits;
  }
  for (int i = 0; i < kBuffersAVisit && !way.read_end; ++i) {
    const IoResult result = way.from->Read(Buffer());
    if (result.status == IoStatus::kAgain) return Visit::kWaits;
    if (result.status == IoStatus::kError) return Visit::kReset;
    way.read_end = result.status == IoStatus::kEnd;
    if (!way.read_end && !Drain(way, {Buffer().data(), result.bytes})) return reset_ ? Visit::kReset : Visit::kWaits;
  }
  if (!way.read_end) return Visit::kMore;
  const IoResult end = way.to->EndWrite();
  if (end.status == IoStatus::kError) return Visit::kReset;
  way.done = end.status == IoStatus::kOk;
  return Visit::kWaits;
}

void BytePump::OnIdle() {
  const Instant due = last_move_ + idle_time_;
  if (loop_.now() < due) return idle_.SetAt(due);
  Finish(End::kIdle);
}

void BytePump::Finish(End end) {
  if (end != End::kDone) {
    a_->Abort();
    b_->Abort();
  }
  idle_.Cancel();
  again_.Cancel();
  a_->OnReady({});
  b_->OnReady({});
  if (const std::function<void(End)> ended = std::exchange(ended_, {}); ended) ended(end);
}

}  // namespace ingress
