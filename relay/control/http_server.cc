#include "relay/control/http_server.h"

#include <array>
#include <boost/asio/post.hpp>
#include <utility>
#include <vector>

#include "relay/control/text.h"

namespace relay {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr size_t kClosedInATurn = 32;                              // Closing one takes 5 to 10 us.
constexpr Duration kAcceptRetry = std::chrono::milliseconds(100);  // When descriptors have run out, say.

}  // namespace

HttpServer::HttpServer(asio::io_context& io, asio::io_context& control, HttpHandler& handler, TaskHistogram* tasks,
                       const HttpTimes& times)
    : service_{.io = io,
               .control = control,
               .handler = handler,
               .tasks = tasks,
               .times = times,
               .stats = {},
               .forget = [this](HttpConnection* connection) { Forget(connection); }},
      acceptor_(io.get_executor()),
      retry_timer_(io.get_executor()),
      sweep_timer_(io.get_executor()) {}

absl::Status HttpServer::Listen(const AddrPort& addr) {
  const tcp::endpoint endpoint = ToEndpoint(addr);
  error_code ec;
  acceptor_.open(endpoint.protocol(), ec);
  if (!ec) acceptor_.set_option(asio::socket_base::reuse_address(true), ec);
  if (!ec) acceptor_.bind(endpoint, ec);
  if (!ec) acceptor_.listen(static_cast<int>(kMaxConnections), ec);
  if (!ec) local_ = ToAddrPort(acceptor_.local_endpoint(ec));
  if (ec) return absl::UnavailableError(text::Cat("cannot listen on ", addr.ToString(), ": ", ec.message()));
  return absl::OkStatus();
}

void HttpServer::Start() {
  Accept();
  Sweep();
}

void HttpServer::Stop() {
  error_code ignored;
  acceptor_.close(ignored);
  retry_timer_.cancel();
  sweep_timer_.cancel();
  const std::vector<HttpConnection*> open(connections_.begin(), connections_.end());
  for (HttpConnection* const connection : open) connection->Close();
}

void HttpServer::Accept() {
  acceptor_.async_accept(accepted_from_, [this](error_code ec, TcpSocket socket) {
    if (!acceptor_.is_open()) return;
    if (ec) {
      retry_timer_.expires_after(kAcceptRetry);
      retry_timer_.async_wait([this](error_code cancelled) {
        if (!cancelled) Accept();
      });
      return;
    }
    const TaskTimer timer(service_.io_tasks());
    Admit(std::move(socket), ToAddrPort(accepted_from_));
    Accept();
  });
}

void HttpServer::Admit(TcpSocket socket, const AddrPort& remote) {
  service_.stats.accepted.Add(1);
  if (connections_.size() >= kMaxConnections) return service_.stats.refused_limit.Add(1);
  size_t& of_source = per_source_[Prefix::OfSource(remote)];
  if (of_source >= kMaxConnectionsPerSource && !remote.IsLoopback()) return service_.stats.refused_source.Add(1);
  ++of_source;
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  const std::shared_ptr<HttpConnection> connection = MakeHttpConnection(service_, std::move(socket), remote, tls_);
  connections_.insert(connection.get());
  service_.stats.connections.Set(connections_.size());
  connection->Start();
}

void HttpServer::Sweep() {
  const TaskTimer timer(service_.io_tasks());
  if (!acceptor_.is_open()) return;  // Stopped meanwhile.
  const Instant now = std::chrono::steady_clock::now();
  std::array<HttpConnection*, kClosedInATurn> late;
  size_t found = 0;
  for (HttpConnection* const connection : connections_) {
    if (found < late.size() && connection->IsLate(now)) late[found++] = connection;
  }
  for (size_t i = 0; i < found; ++i) late[i]->Close();
  if (found == late.size()) return asio::post(service_.io, [this] { Sweep(); });  // Behind what waits there.
  sweep_timer_.expires_after(service_.times.sweep);
  sweep_timer_.async_wait([this](error_code cancelled) {
    if (!cancelled) Sweep();
  });
}

void HttpServer::Forget(HttpConnection* connection) {
  connections_.erase(connection);
  service_.stats.connections.Set(connections_.size());
  const auto of_source = per_source_.find(connection->source());
  if (of_source != per_source_.end() && --of_source->second == 0) per_source_.erase(of_source);
}

}  // namespace relay
