// HTTPS on a node: every decrypted connection with the front that it speaks to and the site that it is for.
#ifndef RELAYD_INGRESS_NODE_HTTPS_SERVICE_H_
#define RELAYD_INGRESS_NODE_HTTPS_SERVICE_H_

#include <memory>

#include "ingress/event_loop.h"
#include "ingress/node/backend_factory.h"
#include "ingress/node/backend_pool.h"
#include "ingress/node/funnel_manager.h"
#include "ingress/node/https_stats.h"

namespace ingress {

// All on the loop's thread but for the counters, which any may read.
class HttpsServer : public HttpsService {
 public:
  // Open at once: what 256 handshakes under way grow to in a browser's idle time, at about 100 KB each within requests.
  // Beyond, a connection is closed at once, HTTP/1.1 with a 503; it is counted.
  static constexpr size_t kMaxConnections = 1024;
  // Of them of one client's /32 or /64: who opens connections and asks for nothing must not keep everybody else out. An
  // office behind one address has room for what 80 browsers open by HTTP/1.1.
  static constexpr size_t kMaxPerSource = kMaxConnections / 2;

  // No requests after those that are being answered; then each connection closes.
  virtual void Drain() = 0;
  virtual const HttpsStats& stats() const = 0;
  virtual const BackendCounters& backends() const = 0;
};

struct HttpsOptions {
  size_t max_connections = HttpsServer::kMaxConnections;
  size_t max_per_source = HttpsServer::kMaxPerSource;
  size_t max_files = OpenFiles::kMost;
  BackendFactory proxy = nullptr;  // Instead of what speaks to backends.
};
std::unique_ptr<HttpsServer> MakeHttpsService(EventLoop& loop, HttpsOptions options = {});

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_HTTPS_SERVICE_H_
