#include "ingress/frontend/access_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <system_error>
#include <utility>

#include "relay/control/text.h"

namespace ingress {
namespace {

using relay::text::AppendAll;

void AppendTime(std::string& out, std::chrono::system_clock::time_point time) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  // Lines of one second are many: its first 19 characters are kept.
  thread_local std::time_t stamped = -1;
  thread_local char stamp[24];
  if (const std::time_t seconds = static_cast<std::time_t>(ms / 1000); seconds != stamped) {
    std::tm utc{};
    gmtime_r(&seconds, &utc);
    std::strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc);
    stamped = seconds;
  }
  char millis[8];
  std::snprintf(millis, sizeof(millis), ".%03dZ", static_cast<int>(ms % 1000));
  AppendAll(out, stamp, millis);
}

// With three decimals.
void AppendDecimal(std::string& out, Duration value, Duration unit) {
  const int64_t thousandths = value / (unit / 1000);
  char digits[32];
  std::snprintf(digits, sizeof(digits), "%lld.%03d", static_cast<long long>(thousandths / 1000),
                static_cast<int>(thousandths % 1000));
  out += digits;
}

void AppendMs(std::string& out, std::string_view key, const std::optional<Duration>& value) {
  AppendAll(out, ",\"", key, "\":");
  if (value) {
    AppendDecimal(out, *value, std::chrono::milliseconds(1));
  } else {
    out += "null";
  }
}

absl::StatusOr<relay::Fd> OpenFile(const std::string& path) {
  // Non-blocking: it might be a FIFO.
  relay::Fd file(open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640));
  if (file.get() < 0) {
    return absl::UnavailableError(
        relay::text::Cat("cannot open ", path, " (--access_log): ", std::generic_category().message(errno)));
  }
  return file;
}

}  // namespace

std::string FormatAccessLine(const AccessRecord& record) {
  std::string line = "{\"time\":\"";
  AppendTime(line, record.time);
  AppendAll(line, "\",\"client\":\"", record.client.ToString(), "\",\"name\":");
  relay::AppendQuoted(line, record.name);
  AppendAll(line, ",\"port\":", record.port, ",\"node\":");
  relay::AppendQuoted(line, record.node ? record.node->ToString() : "");
  AppendAll(line, ",\"reason\":\"", record.reason, "\",\"duration_s\":");
  AppendDecimal(line, record.duration, std::chrono::seconds(1));
  AppendAll(line, ",\"bytes_to_node\":", record.bytes_to_node, ",\"bytes_to_client\":", record.bytes_to_client);
  AppendMs(line, "hello_ms", record.hello);
  AppendMs(line, "dial_ms", record.dial);
  if (record.suppressed > 0) AppendAll(line, ",\"suppressed\":", record.suppressed);
  line += "}\n";
  return line;
}

absl::StatusOr<std::unique_ptr<AccessLog>> AccessLog::Open(const std::string& path) {
  std::unique_ptr<AccessLog> log(new AccessLog(path));
  if (const absl::Status opened = log->Reopen(); !opened.ok()) return opened;
  return log;
}

absl::Status AccessLog::Reopen() {
  if (path_.empty()) return absl::OkStatus();
  absl::StatusOr<relay::Fd> file = OpenFile(path_);
  if (!file.ok()) return file.status();
  const std::lock_guard lock(mutex_);
  std::swap(file_, *file);
  return absl::OkStatus();
}

bool AccessLog::AllowRefusal(Instant now, uint64_t& suppressed) {
  const std::lock_guard lock(mutex_);
  return limiter_.Allow(now, suppressed);
}

void AccessLog::Write(std::string_view lines, size_t count) {
  if (!WriteNow(lines)) lost_.fetch_add(count, std::memory_order_relaxed);
}

bool AccessLog::WriteNow(std::string_view lines) {
  if (path_.empty()) return relay::WriteToStderr(lines);
  const std::lock_guard lock(mutex_);
  return write(file_.get(), lines.data(), lines.size()) == static_cast<ssize_t>(lines.size());
}

void AccessLogBuffer::Add(AccessRecord& record) {
  if (record.refused && !log_.AllowRefusal(loop_.now(), record.suppressed)) return;
  const std::string line = FormatAccessLine(record);
  if (lines_.size() + line.size() > kMaxAccessLine) Flush();
  lines_ += line;
  ++count_;
  flush_.Schedule();
}

void AccessLogBuffer::Flush() {
  if (count_ > 0) log_.Write(lines_, std::exchange(count_, 0));
  lines_.clear();
}

}  // namespace ingress
