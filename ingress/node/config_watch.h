// Notices that the serve config's file or a certificate changed, and reads it again, on a thread of its own: a network
// file system may take for ever, and the loop does not wait.
#ifndef RELAYD_INGRESS_NODE_CONFIG_WATCH_H_
#define RELAYD_INGRESS_NODE_CONFIG_WATCH_H_

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "ingress/event_loop.h"
#include "ingress/node/certificates.h"
#include "ingress/node/serve_config.h"

namespace ingress {

// Looks once a period, at what files are and not at events: those get lost when a folder is switched (certbot's links),
// mounted over, or far away.
class ConfigWatch {
 public:
  struct Options {
    std::string path;           // The serve config's.
    std::vector<AddrPort> own;  // As ServeConfig::Load takes them.
    Duration period = std::chrono::seconds(1);
    // On the loop's thread, after each time that the config was read again, behind `changed`: was it good?
    std::function<void(bool good)> read = {};
  };
  // What is in force now.
  struct Snapshot {
    std::shared_ptr<const ServeConfig> config;
    std::shared_ptr<const Certificates> certificates;
  };
  // On the loop's thread, with at least one of both new. A config that is bad is refused with a line in the log, and
  // the old one stays; a bad certificate is logged too.
  using Changed = std::function<void(const Snapshot&)>;

  // Reads all files here and now; a bad config is an error. Before the loop runs, or on its thread.
  static absl::StatusOr<std::unique_ptr<ConfigWatch>> Start(EventLoop& loop, Options options, Changed changed);
  // On the loop's thread, or when it runs no more: `changed` is not called any more. Waits half a second for work under
  // way; what has not ended by then is left behind.
  ~ConfigWatch();
  ConfigWatch(const ConfigWatch&) = delete;
  ConfigWatch& operator=(const ConfigWatch&) = delete;

  // Reads the config now, changed or not (SIGHUP), and what certificates changed. Any thread.
  void Reload();
  // `config`, which `changed` was told, cannot be used: `before` is in force again, and `changed` is told so with its
  // certificates, unless there is a newer one meanwhile. Any thread.
  void Refuse(std::shared_ptr<const ServeConfig> config, std::shared_ptr<const ServeConfig> before);
  // The newest that `changed` was told, at first what Start read. Loop's thread.
  const Snapshot& current() const;

 private:
  struct Shared;
  explicit ConfigWatch(std::shared_ptr<Shared> shared);

  std::shared_ptr<Shared> shared_;  // With the thread and what it has posted.
  std::thread thread_;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_CONFIG_WATCH_H_
