// The control thread: HTTP, allocation, expiry, addresses and signals, all on one io_context.
#ifndef RELAYD_RELAY_CONTROL_CONTROL_PLANE_H_
#define RELAYD_RELAY_CONTROL_CONTROL_PLANE_H_

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "relay/control/allocator.h"
#include "relay/control/control_options.h"
#include "relay/control/file_thread.h"
#include "relay/control/http_api.h"
#include "relay/control/http_server.h"
#include "relay/control/ingress_service.h"
#include "relay/control/task_histogram.h"
#include "relay/control/tls_identity.h"
#include "relay/core/endpoint_table.h"

namespace relay {

class ControlPlane {
 public:
  using Options = ControlOptions;
  // What the data plane turned out to be.
  struct Relay {
    EndpointTable& table;
    Allocator& allocator;
    uint16_t udp_port;
    bool ipv6;
    FunnelService* funnel = nullptr;
    IngressService* ingress = nullptr;  // relayd as a node of Funnel's.
  };

  // Signals that Run answers. Blocked before any thread starts, so that none but the control thread gets them.
  static void BlockSignals();

  // Reads the files and binds the API. An error is one line.
  static absl::StatusOr<std::unique_ptr<ControlPlane>> Open(const Options& options, const Relay& relay);
  ~ControlPlane();

  // Serves until SIGTERM, SIGINT or the end of a drain; the caller's thread is the control thread from here on.
  void Run();

  const AddrPort& api_address() const { return api_address_; }
  const TaskHistogram& tasks() const { return tasks_; }           // Any thread.
  const HttpStats& api_stats() const { return server_.stats(); }  // Any thread.

 private:
  // What a reload has read; unset: no flag names such a file.
  struct Files {
    absl::StatusOr<std::shared_ptr<const Policy>> policy;
    absl::StatusOr<TlsIdentity> identity;
  };

  ControlPlane(const Options& options, const Relay& relay, Policy policy, TlsIdentity tls);

  bool tls() const { return !options_.tls_cert.empty(); }
  void Expire();
  void RefreshAddresses();
  void AwaitSignal();
  absl::StatusOr<std::vector<AddrPort>> Discover() const;  // Any thread.
  void ApplyAddresses(absl::StatusOr<std::vector<AddrPort>> found);
  void Reload();
  void ApplyFiles(Files& files);
  void ApplyPolicy(absl::StatusOr<std::shared_ptr<const Policy>> policy);
  void ApplyIdentity(absl::StatusOr<TlsIdentity> identity);
  void Drain();
  uint64_t FunnelConnections() const;
  void Stop();
  // Runs `task` after `delay` on the control thread, timed.
  void After(boost::asio::steady_timer& timer, Duration delay, std::function<void()> task);

  const Options options_;
  const Relay relay_;
  TaskHistogram tasks_;  // Written by the control thread.
  // Before io_: requests that wait there hold connections that live here.
  boost::asio::io_context tls_io_{1};
  boost::asio::io_context io_{1};
  boost::asio::signal_set signals_{io_};
  boost::asio::steady_timer expiry_timer_{io_};
  boost::asio::steady_timer address_timer_{io_};
  boost::asio::steady_timer drain_timer_{io_};
  std::vector<AddrPort> addr_ports_;
  HostNames host_names_;
  HttpApi api_;
  HttpServer server_;
  AddrPort api_address_;
  std::thread tls_thread_;
  bool draining_ = false;
  bool populating_ = false;  // A Populate of the table is under way.
  bool reloading_ = false;
  bool reload_again_ = false;               // Another SIGHUP came meanwhile.
  boost::asio::thread_pool background_{1};  // What takes long but ends. Here: its thread ends before what it uses.
  FileThread file_thread_{io_};             // What may not even end.
};

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_CONTROL_PLANE_H_
