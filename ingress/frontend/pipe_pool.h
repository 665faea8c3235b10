// Pipes that bytes are spliced through, shared by a thread's connections: a direction holds one only while there are
// bytes in it.
#ifndef RELAYD_INGRESS_FRONTEND_PIPE_POOL_H_
#define RELAYD_INGRESS_FRONTEND_PIPE_POOL_H_

#include <cstddef>
#include <optional>
#include <vector>

#include "relay/control/fd.h"

namespace ingress {

// The kernel's own size: more would count sooner against what a user may have in pipes (16,384 pages).
inline constexpr size_t kPipeBytes = 65'536;

struct Pipe {
  relay::Fd out;  // Read from it.
  relay::Fd in;
};

// One thread.
class PipePool {
 public:
  // At most `most` pipes at once, in use or not, so that they fit into the descriptor limit. A loop is at one direction
  // at a time: more than one is in use only where a receiver has stopped taking bytes.
  explicit PipePool(size_t most) : most_(most) {}

  // An empty one; nullopt: all are in use, or the kernel has none. The caller goes on without.
  std::optional<Pipe> Take();
  void Return(Pipe pipe);  // Empty.
  void Drop(Pipe pipe);    // With bytes in it that nobody wants any more: closed, or a stranger would get them.

  size_t open() const { return open_; }  // Those in use and those that wait here.

 private:
  size_t most_;
  size_t open_ = 0;
  std::vector<Pipe> idle_;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_FRONTEND_PIPE_POOL_H_
