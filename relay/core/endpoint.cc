#include "relay/core/endpoint.h"

namespace relay {

void ByteLock::lock() {
  while (held_.exchange(true, std::memory_order_acquire)) {
    while (held_.load(std::memory_order_relaxed)) Pause();
  }
}

[[gnu::noinline]] Binding::Match Binding::MatchesAgain(const AddrPort& remote) const {
  const PathWords found = LoadAgain();
  if (found.remote_port() == 0) return Match::kNotBound;
  Path path;
  found.Store(path);
  return path.remote == remote ? Match::kSame : Match::kOther;
}

[[gnu::noinline]] PathWords Binding::LoadAgain() const {
  PathWords out;
  while (!InOnePiece([&] { out = {Word(0), Word(1), Word(2), Word(3), Word(4), Word(5), Word(6)}; })) Pause();
  return out;
}

void Binding::Publish(const Path& path) {
  const auto words = std::bit_cast<std::array<uint64_t, kWords>>(path);
  const uint32_t sequence = sequence_.load(std::memory_order_relaxed);
  sequence_.store(sequence + 1, std::memory_order_relaxed);
  // Release, each: whoever reads one of these words then reads the odd sequence, or a later one.
  for (size_t i = 0; i < kWords; ++i) words_[i].store(words[i], std::memory_order_release);
  sequence_.store(sequence + 2, std::memory_order_release);
}

void Binding::Pin(const AddrPort& source) {
  for (size_t i = 0; i < kPinWords; ++i)
    words_[kPinWord + i].store(PathWords::Word(&source, i), std::memory_order_relaxed);
}

AddrPort Binding::pin() const {
  std::array<uint64_t, kPinWords> words;
  for (size_t i = 0; i < kPinWords; ++i) words[i] = words_[kPinWord + i].load(std::memory_order_relaxed);
  return std::bit_cast<AddrPort>(words);
}

int Endpoint::LegOf(const disco::PublicKey& key) const {
  if (key == clients_[0]) return 0;
  return key == clients_[1] ? 1 : -1;
}

}  // namespace relay
