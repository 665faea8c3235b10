// One API connection: reads a request, has it handled on the control thread, writes the answer, and again.
#ifndef RELAYD_RELAY_CONTROL_HTTP_CONNECTION_H_
#define RELAYD_RELAY_CONTROL_HTTP_CONNECTION_H_

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <functional>
#include <memory>

#include "relay/control/http_message.h"
#include "relay/control/http_stats.h"
#include "relay/control/prefix.h"
#include "relay/control/task_histogram.h"
#include "relay/core/time.h"

namespace boost::asio::ssl {
class context;
}

namespace relay {

// With the executor's own type, so that no call through it is type-erased.
using TcpSocket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;

// How long things may take; tests shorten it.
struct HttpTimes {
  Duration request = std::chrono::seconds(5);       // From a request's first byte to its last; a TLS handshake too.
  Duration idle = std::chrono::seconds(60);         // Between requests, and for the client to take an answer.
  Duration linger = std::chrono::seconds(1);        // For the client to read our last word.
  Duration sweep = std::chrono::milliseconds(250);  // So much later than its time may a connection end.
};

class HttpConnection;

// What all connections of a server share; outlives them.
struct HttpService {
  boost::asio::io_context& io;       // Where connections live.
  boost::asio::io_context& control;  // Where requests are handled; may be the same.
  HttpHandler& handler;
  TaskHistogram* tasks;  // Written on `control` alone.
  HttpTimes times;
  HttpStats stats;
  // Called once, on io's thread, when a connection is over.
  std::function<void(HttpConnection*)> forget;

  bool one_thread() const { return &io == &control; }
  TaskHistogram* io_tasks() const { return one_thread() ? tasks : nullptr; }
};

// All on the thread of HttpService::io.
class HttpConnection {
 public:
  virtual ~HttpConnection() = default;
  virtual void Start() = 0;
  virtual void Close() = 0;

  bool IsLate(Instant now) const { return now >= deadline_; }
  const Prefix& source() const { return source_; }

 protected:
  explicit HttpConnection(const Prefix& source) : source_(source) {}

  // Checked by the server's sweep, so that a request costs no timer.
  Instant deadline_ = Instant::max();
  Prefix source_;
};

// `tls`: nullptr for plain TCP.
std::shared_ptr<HttpConnection> MakeHttpConnection(HttpService& service, TcpSocket socket, const AddrPort& remote,
                                                   std::shared_ptr<boost::asio::ssl::context> tls);

AddrPort ToAddrPort(const boost::asio::ip::tcp::endpoint& endpoint);
boost::asio::ip::tcp::endpoint ToEndpoint(const AddrPort& addr);

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_HTTP_CONNECTION_H_
