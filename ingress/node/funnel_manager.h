// Between the 101 and the application: bounds what is under way, finishes TLS, and hands each connection to what serves
// its target.
#ifndef RELAYD_INGRESS_NODE_FUNNEL_MANAGER_H_
#define RELAYD_INGRESS_NODE_FUNNEL_MANAGER_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "ingress/event_loop.h"
#include "ingress/node/certificates.h"
#include "ingress/node/funnel_listener.h"
#include "ingress/node/ingress_request.h"
#include "relay/control/fd.h"
#include "relay/core/counters.h"

namespace ingress {

// Serves HTTPS on a decrypted stream: HTTP/1.1, or h2 if ALPN chose it. Implemented by node/http_site.
class HttpsService {
 public:
  virtual ~HttpsService() = default;
  // `config` stays as it was when the connection came. Owns the stream until it ends.
  virtual void Serve(FunnelConnection connection, bool h2, std::shared_ptr<const ServeConfig> config) = 0;
};

// All on the loop's thread.
class FunnelManager : public IngressTargets {
 public:
  static constexpr size_t kMaxHandshakes = 256;          // Between the 101 and a finished handshake.
  static constexpr size_t kMaxHandshakesPerSource = 32;  // Of one client /32 or /64.
  static constexpr size_t kMaxFinished = 256;            // Waiting for Accept.
  static constexpr Duration kHandshakeTimeout = std::chrono::seconds(10);

  struct Options {  // Tests shorten the times.
    Duration handshake_timeout = kHandshakeTimeout;
    Duration dial_timeout = std::chrono::seconds(5);  // Of a TCPForward's backend.
    Duration idle_time = std::chrono::hours(1);       // Of a TCPForward.
    size_t max_active = 8192;                         // Two descriptors each: beyond, HasRoom is false.
    // Of them of one client's /32 or /64. A forward may be idle for an hour: who opens them must not keep everybody
    // else out. 0: half of max_active, but what may be in handshakes in any case.
    size_t max_active_per_source = 0;
  };

  struct Stats {                 // Written by the loop's thread; read by any.
    relay::Counter accepted;     // 101 sent.
    relay::Counter handshaking;  // Now.
    relay::Counter queue_full;
    relay::Counter handshakes;  // Finished.
    relay::Counter handshake_failed, handshake_timeout, wrong_name, no_certificate, acme;
    relay::Counter active;               // Connections from the 101 to their end.
    relay::Counter finished_full;        // Finished, but as many as may wait for Accept wait already.
    relay::Counter bytes_in, bytes_out;  // From and to clients, decrypted.
    relay::Counter backend_failed;
  };

  static std::unique_ptr<FunnelManager> Make(EventLoop& loop, HttpsService& https) {
    return Make(loop, https, Options());
  }
  static std::unique_ptr<FunnelManager> Make(EventLoop& loop, HttpsService& https, const Options& options);

  // For connections from now on; open ones keep theirs.
  virtual void SetConfig(std::shared_ptr<const ServeConfig> config) = 0;
  virtual void SetCertificates(std::shared_ptr<const Certificates> certificates) = 0;

  // Is there room for one more? False: 503 (counted). Before the 101.
  virtual bool HasRoom(const IngressRequest& request) = 0;
  // Takes the connection over: `fd` non-blocking, the 101 not yet sent; `behind`: bytes that stood behind the request.
  // Sends the 101, then the stream is the client's.
  virtual void Take(relay::Fd fd, std::string behind, const IngressRequest& request) = 0;

  // Error: the target has a listener, or serve config has it already. A config that comes to serve it later does not
  // take it from its listener.
  virtual absl::StatusOr<std::unique_ptr<FunnelListener>> Listen(const HostPort& target,
                                                                 std::function<void()> ready) = 0;
  virtual const Stats& stats() const = 0;
  // Ended, and no longer active, but the client may not have got all of it: a drain waits for them too. Any thread.
  virtual size_t lingering() const = 0;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_FUNNEL_MANAGER_H_
