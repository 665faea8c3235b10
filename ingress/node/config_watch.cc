#include "ingress/node/config_watch.h"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "ingress/node/file_identity.h"
#include "relay/control/log.h"

namespace ingress {
namespace {

constexpr Duration kPatience = std::chrono::milliseconds(500);  // Of the two seconds that SIGTERM may take.

// What is new in `now`: what stays bad is not said every time that something else changes.
void LogCertificates(const Certificates* before, const Certificates& now) {
  for (const Certificates::Status& status : now.status()) {
    bool known = false;
    if (before != nullptr) {
      for (const Certificates::Status& old : before->status()) {
        known |= old.name == status.name && old.error == status.error && old.warning == status.warning &&
                 old.not_after == status.not_after;
      }
    }
    if (known) continue;
    if (!status.error.empty()) {
      relay::Log(relay::LogLevel::kError, "bad certificate", {{"name", status.name}, {"error", status.error}});
    } else if (!status.warning.empty()) {
      relay::Log(relay::LogLevel::kWarning, "odd certificate", {{"name", status.name}, {"warning", status.warning}});
    } else {
      relay::Log(relay::LogLevel::kInfo, "certificate loaded",
                 {{"name", status.name}, {"not_after", status.not_after.value_or(0)}});
    }
  }
}

}  // namespace

struct ConfigWatch::Shared : std::enable_shared_from_this<ConfigWatch::Shared> {
  Options options;  // Never changed.

  // The thread's alone, once it runs.
  FileIdentity identity;
  Snapshot newest;

  // The loop's thread's alone.
  Snapshot told;
  Changed changed;

  // Under mutex.
  std::mutex mutex;
  std::condition_variable wake;
  EventLoop* loop = nullptr;  // nullptr: nobody waits for anything any more.
  bool reload = false;
  std::shared_ptr<const ServeConfig> refused, instead;
  bool ended = false;

  absl::Status ReadConfig();
  bool ReadCertificates();
  bool Restore();
  void Look(bool forced);
  void Serve();
  void Tell();
  void TellRead(bool good);
};

absl::Status ConfigWatch::Shared::ReadConfig() {
  identity = FileIdentity::Of(options.path);
  absl::StatusOr<ServeConfig> config = ServeConfig::Load(options.path, options.own);
  if (!config.ok()) return config.status();
  newest.config = std::make_shared<const ServeConfig>(*std::move(config));
  return absl::OkStatus();
}

// Is there anything new?
bool ConfigWatch::Shared::ReadCertificates() {
  const std::vector<CertificateFiles>& files = newest.config->certificates;
  const std::shared_ptr<const Certificates> before = newest.certificates;
  if (before != nullptr && !before->IsStale(files)) return false;
  newest.certificates = Certificates::Load(files, before.get());
  LogCertificates(before.get(), *newest.certificates);
  return true;
}

// Was the newest config refused by who was told?
bool ConfigWatch::Shared::Restore() {
  const std::lock_guard lock(mutex);
  const bool is_newest = refused != nullptr && refused == newest.config;
  if (is_newest) newest.config = instead;
  refused = instead = nullptr;
  return is_newest;
}

void ConfigWatch::Shared::Look(bool forced) {
  bool is_new = Restore();
  std::optional<bool> read;
  if (forced || FileIdentity::Of(options.path) != identity) {
    if (const absl::Status bad = ReadConfig(); !bad.ok()) {
      relay::Log(relay::LogLevel::kError, "serve config refused, the old one stays",
                 {{"error", std::string(bad.message())}});
      read = false;
    } else {
      relay::Log(relay::LogLevel::kInfo, "serve config loaded", {{"file", options.path}});
      is_new = true;
      read = true;
    }
  }
  is_new |= ReadCertificates();
  if (is_new) Tell();
  if (read) TellRead(*read);
}

void ConfigWatch::Shared::TellRead(bool good) {
  const std::lock_guard lock(mutex);
  if (loop == nullptr || options.read == nullptr) return;
  loop->Post([self = shared_from_this(), good] {
    if (self->changed != nullptr) self->options.read(good);
  });
}

void ConfigWatch::Shared::Tell() {
  const std::lock_guard lock(mutex);
  if (loop == nullptr) return;
  loop->Post([self = shared_from_this(), snapshot = newest] {
    const Changed tell = self->changed;  // A copy: it may destroy its watch.
    if (tell == nullptr) return;
    self->told = snapshot;
    tell(snapshot);
  });
}

void ConfigWatch::Shared::Serve() {
  std::unique_lock lock(mutex);
  while (loop != nullptr) {
    wake.wait_for(lock, options.period, [this] { return loop == nullptr || reload || refused != nullptr; });
    if (loop == nullptr) break;
    const bool forced = std::exchange(reload, false);
    lock.unlock();
    Look(forced);
    lock.lock();
  }
  ended = true;
  wake.notify_all();
}

absl::StatusOr<std::unique_ptr<ConfigWatch>> ConfigWatch::Start(EventLoop& loop, Options options, Changed changed) {
  auto shared = std::make_shared<Shared>();
  shared->options = std::move(options);
  shared->changed = std::move(changed);
  shared->loop = &loop;
  if (absl::Status bad = shared->ReadConfig(); !bad.ok()) return bad;
  shared->ReadCertificates();
  shared->told = shared->newest;
  return std::unique_ptr<ConfigWatch>(new ConfigWatch(std::move(shared)));
}

ConfigWatch::ConfigWatch(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {
  thread_ = std::thread([kept = shared_] { kept->Serve(); });
}

ConfigWatch::~ConfigWatch() {
  std::unique_lock lock(shared_->mutex);
  shared_->changed = nullptr;  // For what is posted already.
  shared_->loop = nullptr;
  shared_->wake.notify_all();
  const bool ended = shared_->wake.wait_for(lock, kPatience, [this] { return shared_->ended; });
  lock.unlock();
  ended ? thread_.join() : thread_.detach();
}

void ConfigWatch::Refuse(std::shared_ptr<const ServeConfig> config, std::shared_ptr<const ServeConfig> before) {
  const std::lock_guard lock(shared_->mutex);
  shared_->refused = std::move(config);
  shared_->instead = std::move(before);
  shared_->wake.notify_all();
}

void ConfigWatch::Reload() {
  const std::lock_guard lock(shared_->mutex);
  shared_->reload = true;
  shared_->wake.notify_all();
}

const ConfigWatch::Snapshot& ConfigWatch::current() const { return shared_->told; }

}  // namespace ingress
