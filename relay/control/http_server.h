// The API's listener: accepts connections within limits, plain or TLS, and closes late ones.
#ifndef RELAYD_RELAY_CONTROL_HTTP_SERVER_H_
#define RELAYD_RELAY_CONTROL_HTTP_SERVER_H_

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "relay/control/http_connection.h"

namespace relay {

inline constexpr size_t kMaxConnections = 1024;
inline constexpr size_t kMaxConnectionsPerSource = 64;  // A /32 or /64; loopback has no limit of its own.

// TLS handshakes take a millisecond, so a TLS server lives on an io_context and thread of its own, and only its
// requests come to the control thread. A plain one lives on the control thread.
class HttpServer {
 public:
  // All outlive the server. `tasks` is written on `control` alone.
  HttpServer(boost::asio::io_context& io, boost::asio::io_context& control, HttpHandler& handler, TaskHistogram* tasks,
             const HttpTimes& times = {});

  // Binds. An error says which address and why, in one line.
  absl::Status Listen(const AddrPort& addr);
  AddrPort local() const { return local_; }

  // On io's thread, or before it runs.
  void SetTls(std::shared_ptr<boost::asio::ssl::context> tls) {
    tls_ = std::move(tls);
  }  // For connections from now on.
  void Start();
  void Stop();  // Closes everything.

  const HttpStats& stats() const { return service_.stats; }

 private:
  using Executor = boost::asio::io_context::executor_type;
  using Timer = boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                                  boost::asio::wait_traits<std::chrono::steady_clock>, Executor>;

  void Accept();
  void Admit(TcpSocket socket, const AddrPort& remote);
  void Sweep();
  void Forget(HttpConnection* connection);

  HttpService service_;
  boost::asio::basic_socket_acceptor<boost::asio::ip::tcp, Executor> acceptor_;
  Timer retry_timer_;
  Timer sweep_timer_;
  AddrPort local_;
  boost::asio::ip::tcp::endpoint accepted_from_;
  std::shared_ptr<boost::asio::ssl::context> tls_;
  absl::flat_hash_set<HttpConnection*> connections_;  // Each is alive: it is taken out before it dies.
  absl::flat_hash_map<Prefix, size_t> per_source_;
};

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_HTTP_SERVER_H_
