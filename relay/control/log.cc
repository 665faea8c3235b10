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

std::atomic<LogLevel> least_level{LogLevel::kInfo};

// Between asking whether stderr takes a line and writing it no other thread may write.
std::mutex write_mutex;
uint64_t lost_lines = 0;  // Of Log's, since the last one that was written. Under write_mutex.

constexpr std::string_view kLevelNames[] = {"debug", "info", "warning", "error"};

bool IsPlain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("._:/@+,[]%-").find(c) != std::string_view::npos;
}

void CutTo(size_t size, std::string& line) {
  if (line.size() > size) line.replace(size - 1, std::string::npos, "\n");
}

// Nobody may be reading: a thread that waited for them would be lost too. With write_mutex held.
bool WriteNow(std::string_view lines) {
  pollfd writable{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  const bool ready = poll(&writable, 1, 0) == 1 && (writable.revents & POLLOUT) != 0;
  return ready && ::write(STDERR_FILENO, lines.data(), lines.size()) == static_cast<ssize_t>(lines.size());
}

}  // namespace

void AppendQuoted(std::string& out, std::string_view text) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c >= 0x20 && c < 0x7f) {
      out += c;
    } else {
      const auto byte = static_cast<uint8_t>(c);
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  out += '"';
}

bool WriteToStderr(std::string_view lines) {
  const std::lock_guard lock(write_mutex);
  return WriteNow(lines);
}

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
  CutTo(kMaxStderrBytes - lost.size(), line);
  line.insert(line.size() - 1, lost);
  lost_lines = WriteNow(line) ? 0 : lost_lines + 1;
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
