#include "ingress/node/backend_pool.h"

#include <algorithm>
#include <span>
#include <utility>

namespace ingress {

BackendPool::BackendPool(EventLoop& loop, Dial dial, BackendTimes times)
    : loop_(loop), dial_(std::move(dial)), times_(times), expiry_(loop, [this] { Expire(); }) {}

BackendPool::~BackendPool() {
  while (!slots_.empty()) {
    // The last of them takes the slot with it.
    auto idle = std::move(slots_.begin()->second.idle);
    if (idle.empty()) break;  // In use, which nobody may.
  }
}

size_t BackendPool::open() const {
  size_t open = 0;
  for (const auto& [key, slot] : slots_) open += slot.open;
  return open;
}

size_t BackendPool::idle() const {
  size_t idle = 0;
  for (const auto& [key, slot] : slots_) idle += slot.idle.size();
  return idle;
}

std::unique_ptr<BackendConnection> BackendPool::Take(const Backend& backend, bool fresh) {
  const auto slot = slots_.try_emplace(Key{backend.addr, backend.tls, backend.verify, backend.host}).first;
  std::list<std::unique_ptr<BackendConnection>>& idle = slot->second.idle;
  if (!idle.empty() && !fresh) {  // The one that was used last: the others get to expire.
    std::unique_ptr<BackendConnection> connection = std::move(idle.back());
    idle.pop_back();
    connection->reused_ = true;
    connection->stream_->OnReady(nullptr);
    counters_.reused.Add(1);
    return connection;
  }
  if (slot->second.open >= kMaxOpen && !idle.empty()) idle.pop_front();
  if (slot->second.open >= kMaxOpen) return nullptr;
  auto connection = std::make_unique<BackendConnection>(*this, slot);
  counters_.connects.Add(1);
  connection->stream_ = dial_(loop_, backend);
  return connection;
}

void BackendPool::GiveBack(std::unique_ptr<BackendConnection> connection) {
  // It has been read up to kAgain, so whatever comes makes it ready: an end, or bytes that nobody asked for.
  char byte = 0;
  if (connection->stream_->Read(std::span(&byte, 1)).status != IoStatus::kAgain) return;
  Slot& slot = connection->slot_->second;
  BackendConnection& waits = *connection;
  waits.idle_since_ = loop_.now();
  waits.stream_->OnReady([this, &waits] { OnIdleReady(waits); });
  slot.idle.push_back(std::move(connection));
  if (const Instant next = ExpiryOf(slot); next < next_expiry_) expiry_.SetAt(next_expiry_ = next);
}

void BackendPool::OnIdleReady(BackendConnection& connection) {
  char byte = 0;
  if (connection.stream_->Read(std::span(&byte, 1)).status == IoStatus::kAgain) return;
  std::list<std::unique_ptr<BackendConnection>>& idle = connection.slot_->second.idle;
  const auto it = std::find_if(idle.begin(), idle.end(), [&](const auto& one) { return one.get() == &connection; });
  const std::unique_ptr<BackendConnection> gone = std::move(*it);
  idle.erase(it);
}

Instant BackendPool::ExpiryOf(const Slot& slot) const {
  if (slot.idle.empty()) return Instant::max();
  return slot.idle.front()->idle_since_ + (slot.idle.size() > kMaxIdle ? times_.burst : times_.idle);
}

void BackendPool::Expire() {
  next_expiry_ = Instant::max();
  for (auto next = slots_.begin(); next != slots_.end();) {
    Slot& slot = (next++)->second;  // Which the last of its connections takes along.
    std::list<std::unique_ptr<BackendConnection>> expired;
    while (ExpiryOf(slot) <= loop_.now()) expired.splice(expired.end(), slot.idle, slot.idle.begin());
    next_expiry_ = std::min(next_expiry_, ExpiryOf(slot));
  }
  if (next_expiry_ != Instant::max()) expiry_.SetAt(next_expiry_);
}

void BackendPool::Closed(Slots::iterator slot) {
  if (--slot->second.open == 0) slots_.erase(slot);
}

BackendConnection::BackendConnection(BackendPool& pool, BackendPool::Slots::iterator slot) : pool_(pool), slot_(slot) {
  ++slot_->second.open;
}

BackendConnection::~BackendConnection() {
  stream_.reset();
  pool_.Closed(slot_);
}

}  // namespace ingress
