// Structured logs: one line an event on stderr, in logfmt. Nothing is logged per packet, and what a stranger's request
// can cause is bounded by a LogLimiter.
#ifndef RELAYD_RELAY_CONTROL_LOG_H_
#define RELAYD_RELAY_CONTROL_LOG_H_

#include <chrono>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "relay/core/time.h"

namespace relay {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError };

std::optional<LogLevel> ParseLogLevel(std::string_view name);  // debug, info, warning, error.
void SetLogLevel(LogLevel least);                              // Any thread.

struct LogField {
  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const char* v) : key(k), value(v) {}
  LogField(std::string_view k, std::integral auto v) : key(k), value(std::to_string(v)) {}

  std::string_view key;  // Ours: never quoted.
  std::string value;     // Anyone's: quoted and escaped where needed.
};

// Writes `ts=… level=… msg="…" key=value…` in a single write(2), so that lines of several threads never mix.
// Never waits: a line that stderr does not take at once is lost, and the next one that passes says how many were
// (lost_lines). Lines are cut at 4,096 bytes.
void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});

// The line that Log writes, newline included.
std::string FormatLogLine(std::chrono::system_clock::time_point now, LogLevel level, std::string_view message,
                          std::initializer_list<LogField> fields);

// Appends `text` as a string of JSON, which logfmt's is too: whatever its bytes are, nothing ends early, and a terminal
// shows it as it is. A byte that is no printable ASCII becomes \u00XX, as nobody has said how it is encoded.
void AppendQuoted(std::string& out, std::string_view text);

// Whole lines of others' making, at most kMaxStderrBytes. As Log, it never waits; false: they are lost.
bool WriteToStderr(std::string_view lines);
// A pipe that says it is writable takes this much without blocking (PIPE_BUF).
inline constexpr size_t kMaxStderrBytes = 4096;

// At most `kPerSecond` lines a second. One thread.
class LogLimiter {
 public:
  static constexpr uint32_t kPerSecond = 10;

  // True: log it. `suppressed` is then how many were not since the last line that was.
  bool Allow(Instant now, uint64_t& suppressed);

 private:
  Instant window_{};
  uint32_t used_ = 0;
  uint64_t suppressed_ = 0;
};

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_LOG_H_
