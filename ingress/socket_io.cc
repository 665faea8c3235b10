#include "ingress/socket_io.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace ingress {

const uint32_t SocketIo::kEvents = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

void SocketIo::Note(uint32_t events) {
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) readable_ = true;
  if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) writable_ = true;
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) hung_up_ = true;
  if ((events & EPOLLERR) != 0) errored_ = true;
}

IoResult SocketIo::Read(std::span<char> into) {
  if (broken_) return {IoStatus::kError};
  if (into.empty()) return {};
  if (has_ahead()) {
    const size_t size = ahead_.copy(into.data(), into.size(), ahead_at_);
    ahead_at_ += size;
    if (ahead_at_ == ahead_.size()) std::string().swap(ahead_);
    return {IoStatus::kOk, size};
  }
  if (ended_) return {errored_ ? IoStatus::kError : IoStatus::kEnd};
  if (!readable_) return {};
  ssize_t size = 0;
  do {
    size = recv(fd(), into.data(), into.size(), 0);
  } while (size < 0 && errno == EINTR);
  if (size > 0) {
    readable_ = hung_up_ || static_cast<size_t>(size) == into.size();
    return {IoStatus::kOk, static_cast<size_t>(size)};
  }
  if (size == 0) {
    ended_ = true;
    return {reset_ ? IoStatus::kError : IoStatus::kEnd};
  }
  if (errno == EAGAIN) {
    readable_ = false;
    return {};
  }
  broken_ = true;
  return {IoStatus::kError};
}

IoResult SocketIo::Write(std::string_view bytes) {
  if (broken()) return {IoStatus::kError};
  if (bytes.empty() || !writable_) return {};
  ssize_t size = 0;
  do {
    size = send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  } while (size < 0 && errno == EINTR);
  if (size >= 0) {
    writable_ = static_cast<size_t>(size) == bytes.size();
    return {IoStatus::kOk, static_cast<size_t>(size)};
  }
  if (errno == EAGAIN) {
    writable_ = false;
    return {};
  }
  // What came before may still be read: a server that refuses a request says why.
  readable_ = hung_up_ = errored_ = true;
  reset_ = errno != EPIPE;  // Else a FIN came first.
  return {IoStatus::kError};
}

void SocketIo::EndWrite() { shutdown(fd(), SHUT_WR); }

std::string SocketIo::TakeAhead() {
  std::string rest = ahead_.substr(std::min(ahead_at_, ahead_.size()));
  ahead_.clear();
  ahead_at_ = 0;
  return rest;
}

}  // namespace ingress
