// One direction of a connection: takes bytes from one socket and puts them into another.
//
// It begins with read and write through its thread's one buffer, and once a direction has carried kSpliceAfter it
// splices, which copies nothing but costs three calls instead of two. A visit moves one buffer or one pipe full and
// returns, so that others get their turn: two pipes a visit cost 1.8 times the CPU, because the receiver then sleeps in
// between.
#ifndef RELAYD_INGRESS_FRONTEND_SPLICE_PUMP_H_
#define RELAYD_INGRESS_FRONTEND_SPLICE_PUMP_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "ingress/frontend/pipe_pool.h"

namespace ingress {

inline constexpr size_t kCopyBytes = 65'536;
inline constexpr uint64_t kSpliceAfter = 4 * kCopyBytes;
// What a direction reads at once after its receiver has been too slow: this much may wait in its memory.
inline constexpr size_t kSlowCopyBytes = 16'384;

// One thread's. Sockets do not block; the caller watches them edge-triggered.
class SplicePump {
 public:
  struct Tools {
    std::span<char> buffer;  // kCopyBytes, of nobody between visits.
    PipePool& pipes;
  };
  enum class Outcome : uint8_t {
    kMore,       // Visit again, after others.
    kWaitRead,   // Until `from` has something.
    kWaitWrite,  // Until `to` takes something.
    kEnded,      // `from` has ended, and all of it has been written: the caller carries the end on.
    kFailed,     // One of the sockets was reset.
  };
  struct Visit {
    Outcome outcome;
    size_t read = 0;
    size_t written = 0;
  };

  SplicePump() = default;
  SplicePump(const SplicePump&) = delete;
  SplicePump& operator=(const SplicePump&) = delete;

  // These bytes go first. Before the first visit.
  Visit Put(int to, std::string_view bytes);
  // Moves at most `allowed` new bytes; 0: only what was kept, and then kMore.
  Visit Run(int from, int to, size_t allowed, Tools tools);
  // `from` has told of its end, or an error: a short read is not its last word.
  void ExpectEnd() { expect_end_ = true; }
  // Before it is destroyed.
  void Release(PipePool& pipes);

  bool ended() const { return ended_; }
  bool blocked() const { return kept_size_ > 0 || in_pipe_ > 0; }  // Holds bytes that were not taken yet.
  size_t held_bytes() const { return kept_size_; }                 // In our memory; a pipe's are the kernel's.

 private:
  void Keep(std::string_view bytes);
  Outcome FlushKept(int to, Visit& visit);
  Outcome FlushPipe(int to, Visit& visit, PipePool& pipes);
  Outcome Copy(int from, int to, size_t allowed, Visit& visit, std::span<char> buffer);
  Outcome Splice(int from, int to, size_t allowed, Visit& visit, PipePool& pipes);

  std::unique_ptr<char[]> kept_;  // Exactly what `to` did not take.
  uint32_t kept_at_ = 0;
  uint32_t kept_size_ = 0;
  uint32_t in_pipe_ = 0;
  bool slow_ = false;
  bool expect_end_ = false;
  bool ended_ = false;
  Pipe pipe_;  // While in_pipe_ > 0.
  uint64_t carried_ = 0;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_FRONTEND_SPLICE_PUMP_H_
