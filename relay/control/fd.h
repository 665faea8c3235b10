// An owned file descriptor.
#ifndef RELAYD_RELAY_CONTROL_FD_H_
#define RELAYD_RELAY_CONTROL_FD_H_

#include <unistd.h>

#include <utility>

namespace relay {

// Closed when it ends.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }                   // -1: none.
  int Release() { return std::exchange(fd_, -1); }  // The caller owns it.

 private:
  int fd_ = -1;
};

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_FD_H_
