#include "relay/control/log.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <ctime>
#include <iterator>
#include <mutex>

namespace relay {
namespace {

// A pipe that says it is writable takes this much without blocking (PIPE_BUF).
constexpr size_t kMaxLineBytes = 4096;

std::atomic<LogLevel> least_level{LogLevel::kInfo};

// Between asking whether stderr takes a line and writing it no other thread may write.
std::mutex write_mutex;
uint64_t lost_lines = 0;  // Since the last one that was written. Under write_mutex.

constexpr std::string_view kLevelNames[] = {"debug", "info", "warning", "error"};

bool IsPlain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("._:/@+,[]%-").find(c) != std::string_view::npos;
}

void AppendQuoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c >= 0x20 && c < 0x7f) {
      out += c;
    } else {
      char escape[5];
      std::snprintf(escape, sizeof(escape), "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
      out += escape;
    }
  }
  out += '"';
}

void CutTo(size_t size, std::string& line) {
  if (line.size() > size) line.replace(size - 1, std::string::npos, "\n");
}

}  // namespace

std::optional<LogLevel> ParseLogLevel(std::string_view name) {
  const auto* const found = std::find(std::begin(kLevelNames), std::end(kLevelNames), name);
  if (found == std::end(kLevelNames)) return std::nullopt;
  return static_cast<LogLevel>(found - std::begin(kLevelNames));
}

void SetLogLevel(LogLevel least) { least_level.store(least, std::memory_order_relaxed); }

std::string FormatLogLine(std::chrono::system_clock::time_point now, LogLevel level, std::string_view message,
                          std::initializer_list<LogField> fields) {
  const auto since_epoch = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  const std::time_t seconds = static_cast<std::time_t>(since_epoch / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char stamp[32];
  const size_t written = std::strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(stamp + written, sizeof(stamp) - written, ".%03dZ", static_cast<int>(since_epoch % 1000));

  std::string line = "ts=";
  line += stamp;
  line += " level=";
  line += kLevelNames[static_cast<size_t>(level)];
  line += " msg=";
  AppendQuoted(line, message);
  for (const LogField& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    if (!field.value.empty() && std::all_of(field.value.begin(), field.value.end(), IsPlain)) {
      line += field.value;
    } else {
      AppendQuoted(line, field.value);
    }
  }
  line += '\n';
  return line;
}

void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  if (level < least_level.load(std::memory_order_relaxed)) return;
  std::string line = FormatLogLine(std::chrono::system_clock::now(), level, message, fields);
  const std::lock_guard lock(write_mutex);
  std::string lost;
  if (lost_lines > 0) lost = " lost_lines=" + std::to_string(lost_lines);
  CutTo(kMaxLineBytes - lost.size(), line);
  line.insert(line.size() - 1, lost);
  // Nobody may be reading: a thread that waited for them would be lost too, so the line is.
  pollfd writable{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  const bool ready = poll(&writable, 1, 0) == 1 && (writable.revents & POLLOUT) != 0;
  const bool written = ready && ::write(STDERR_FILENO, line.data(), line.size()) > 0;
  lost_lines = written ? 0 : lost_lines + 1;
}

bool LogLimiter::Allow(Instant now, uint64_t& suppressed) {
  if (now - window_ >= std::chrono::seconds(1)) {
    window_ = now;
    used_ = 0;
  }
  if (used_ == kPerSecond) {
    ++suppressed_;
    return false;
  }
  ++used_;
  suppressed = suppressed_;
  suppressed_ = 0;
  return true;
}

}  // namespace relay
