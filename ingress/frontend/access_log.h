// The access log: one JSON line a connection, when it is closed.
#ifndef RELAYD_INGRESS_FRONTEND_ACCESS_LOG_H_
#define RELAYD_INGRESS_FRONTEND_ACCESS_LOG_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "disco/addr_port.h"
#include "ingress/event_loop.h"
#include "relay/control/fd.h"
#include "relay/control/log.h"

namespace ingress {

using disco::AddrPort;

struct AccessRecord {
  std::chrono::system_clock::time_point time = {};
  AddrPort client;
  std::string_view name = {};  // Empty: not known.
  uint16_t port = 0;
  std::optional<AddrPort> node = {};  // The last one that was tried.
  std::string_view reason;
  Duration duration{};
  uint64_t bytes_to_node = 0, bytes_to_client = 0;
  std::optional<Duration> hello = {}, dial = {};
  bool refused = false;     // Nothing was carried: one of those that strangers can cause at will.
  uint64_t suppressed = 0;  // Refusals without a line since the last one that has one.
};

// With its newline, at most kMaxAccessLine bytes (names have 253 at most).
std::string FormatAccessLine(const AccessRecord& record);
inline constexpr size_t kMaxAccessLine = relay::kMaxStderrBytes;

// Where lines go. Any thread.
class AccessLog {
 public:
  // `path`: a file, appended to; empty: stderr. The error is one line.
  static absl::StatusOr<std::unique_ptr<AccessLog>> Open(const std::string& path);

  // Whether a refusal may have a line: at most LogLimiter::kPerSecond have.
  bool AllowRefusal(Instant now, uint64_t& suppressed);
  // Whole lines, `count` of them, at most kMaxAccessLine bytes. Never waits: what is not taken at once is lost.
  void Write(std::string_view lines, size_t count);
  // The file is opened anew: after it was renamed. If that fails the old one goes on.
  absl::Status Reopen();
  uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }  // Lines.

 private:
  explicit AccessLog(std::string path) : path_(std::move(path)) {}
  bool WriteNow(std::string_view lines);

  const std::string path_;
  std::mutex mutex_;
  relay::Fd file_;             // Under the mutex.
  relay::LogLimiter limiter_;  // Under the mutex.
  std::atomic<uint64_t> lost_{0};
};

// One thread's lines of one turn of its loop, so that a busy thread writes once a turn and not once a line.
class AccessLogBuffer {
 public:
  AccessLogBuffer(AccessLog& log, EventLoop& loop) : log_(log), loop_(loop), flush_(loop, [this] { Flush(); }) {}
  ~AccessLogBuffer() { Flush(); }

  void Add(AccessRecord& record);  // Fills in `suppressed`.

 private:
  void Flush();

  AccessLog& log_;
  EventLoop& loop_;
  Deferred flush_;
  std::string lines_;
  size_t count_ = 0;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_FRONTEND_ACCESS_LOG_H_
