#include "ingress/frontend/splice_pump.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

namespace ingress {
namespace {

bool WouldBlock() { return errno == EAGAIN || errno == EINTR; }

}  // namespace

void SplicePump::Keep(std::string_view bytes) {
  if (bytes.empty()) return;
  kept_ = std::make_unique_for_overwrite<char[]>(bytes.size());
  std::memcpy(kept_.get(), bytes.data(), bytes.size());
  kept_at_ = 0;
  kept_size_ = static_cast<uint32_t>(bytes.size());
}

SplicePump::Visit SplicePump::Put(int to, std::string_view bytes) {
  Visit visit{.outcome = Outcome::kWaitRead};
  const ssize_t sent = bytes.empty() ? 0 : send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent < 0 && !WouldBlock()) {
    visit.outcome = Outcome::kFailed;
    return visit;
  }
  visit.written = static_cast<size_t>(std::max<ssize_t>(sent, 0));
  carried_ += bytes.size();
  Keep(bytes.substr(visit.written));
  if (kept_size_ > 0) visit.outcome = Outcome::kWaitWrite;
  return visit;
}

SplicePump::Visit SplicePump::Run(int from, int to, size_t allowed, Tools tools) {
  Visit visit{.outcome = Outcome::kMore};
  if (kept_size_ > 0) visit.outcome = FlushKept(to, visit);
  if (in_pipe_ > 0) visit.outcome = FlushPipe(to, visit, tools.pipes);
  if (visit.outcome != Outcome::kMore || allowed == 0) return visit;
  if (carried_ >= kSpliceAfter) {
    std::optional<Pipe> pipe = tools.pipes.Take();
    if (pipe) {
      pipe_ = std::move(*pipe);
      visit.outcome = Splice(from, to, allowed, visit, tools.pipes);
      return visit;
    }
  }
  visit.outcome = Copy(from, to, allowed, visit, tools.buffer);
  return visit;
}

SplicePump::Outcome SplicePump::FlushKept(int to, Visit& visit) {
  const ssize_t sent = send(to, kept_.get() + kept_at_, kept_size_, MSG_NOSIGNAL);
  if (sent < 0) return WouldBlock() ? Outcome::kWaitWrite : Outcome::kFailed;
  visit.written += static_cast<size_t>(sent);
  kept_at_ += static_cast<uint32_t>(sent);
  kept_size_ -= static_cast<uint32_t>(sent);
  if (kept_size_ > 0) return Outcome::kWaitWrite;
  kept_.reset();
  return Outcome::kMore;
}

SplicePump::Outcome SplicePump::Copy(int from, int to, size_t allowed, Visit& visit, std::span<char> buffer) {
  const size_t wanted = std::min({allowed, buffer.size(), slow_ ? kSlowCopyBytes : kCopyBytes});
  const ssize_t got = recv(from, buffer.data(), wanted, 0);
  if (got < 0) return WouldBlock() ? Outcome::kWaitRead : Outcome::kFailed;
  if (got == 0) {
    ended_ = true;
    return Outcome::kEnded;
  }
  visit.read = static_cast<size_t>(got);
  carried_ += visit.read;
  ssize_t sent = send(to, buffer.data(), visit.read, MSG_NOSIGNAL);
  if (sent < 0 && !WouldBlock()) return Outcome::kFailed;
  sent = std::max<ssize_t>(sent, 0);
  visit.written += static_cast<size_t>(sent);
  if (sent < got) {
    slow_ = true;
    Keep({buffer.data() + sent, static_cast<size_t>(got - sent)});
    return Outcome::kWaitWrite;
  }
  // A short read has emptied the socket (epoll(7)), and what comes later is told anew.
  return visit.read < wanted && !expect_end_ ? Outcome::kWaitRead : Outcome::kMore;
}

// With an empty pipe in pipe_. A short splice says nothing about the socket: a pipe is full by pages, not bytes.
SplicePump::Outcome SplicePump::Splice(int from, int to, size_t allowed, Visit& visit, PipePool& pipes) {
  const ssize_t got =
      splice(from, nullptr, pipe_.in.get(), nullptr, std::min(allowed, kPipeBytes), SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  if (got <= 0) {
    const bool wait = got < 0 && WouldBlock();
    pipes.Return(std::exchange(pipe_, {}));
    if (wait) return Outcome::kWaitRead;
    ended_ = got == 0;
    return ended_ ? Outcome::kEnded : Outcome::kFailed;
  }
  visit.read = static_cast<size_t>(got);
  carried_ += visit.read;
  in_pipe_ = static_cast<uint32_t>(got);
  return FlushPipe(to, visit, pipes);
}

SplicePump::Outcome SplicePump::FlushPipe(int to, Visit& visit, PipePool& pipes) {
  while (in_pipe_ > 0) {
    const ssize_t sent = splice(pipe_.out.get(), nullptr, to, nullptr, in_pipe_, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (sent <= 0) return sent < 0 && WouldBlock() ? Outcome::kWaitWrite : Outcome::kFailed;
    visit.written += static_cast<size_t>(sent);
    in_pipe_ -= static_cast<uint32_t>(sent);
  }
  pipes.Return(std::exchange(pipe_, {}));
  return Outcome::kMore;
}

void SplicePump::Release(PipePool& pipes) {
  if (in_pipe_ > 0) pipes.Drop(std::exchange(pipe_, {}));
  in_pipe_ = 0;
}

}  // namespace ingress
