#include "ingress/frontend/pipe_pool.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>

namespace ingress {

std::optional<Pipe> PipePool::Take() {
  if (!idle_.empty()) {
    Pipe pipe = std::move(idle_.back());
    idle_.pop_back();
    return pipe;
  }
  int fds[2];
  if (open_ == most_ || pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0) return std::nullopt;
  ++open_;
  return Pipe{.out = relay::Fd(fds[0]), .in = relay::Fd(fds[1])};
}

void PipePool::Return(Pipe pipe) { idle_.push_back(std::move(pipe)); }

void PipePool::Drop(Pipe pipe) {
  const Pipe closed = std::move(pipe);
  --open_;
}

}  // namespace ingress
