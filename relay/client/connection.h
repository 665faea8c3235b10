// A connection to an HTTP server whose calls wait: TCP, and TLS once it is asked for.
#ifndef RELAYD_RELAY_CLIENT_CONNECTION_H_
#define RELAYD_RELAY_CLIENT_CONNECTION_H_

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace relay::client {

struct HttpResponse;

class Connection {
 public:
  // Has no deadline yet.
  explicit Connection(boost::asio::ssl::context& tls) : stream_(io_, tls) {}

  // For all calls until it is set again. Past it they end with asio::error::timed_out, and the connection is closed.
  void ExpireAfter(std::chrono::milliseconds timeout);

  // To the first that takes it.
  boost::system::error_code Connect(const std::vector<boost::asio::ip::tcp::endpoint>& addresses);
  // `server_name` is sent, unless empty.
  boost::system::error_code StartTls(const std::string& server_name);
  // Sends `request` as it is and reads one answer. What came of it is in `response` after an error too; its status is 0
  // until the head was whole.
  boost::system::error_code Exchange(const std::string& request, uint64_t max_body, HttpResponse& response);

  // Bytes came behind the last answer.
  bool has_surplus() const { return surplus_; }
  boost::asio::ip::tcp::endpoint local_endpoint() const;
  SSL* ssl() { return stream_.native_handle(); }

 private:
  template <typename Start>
  boost::system::error_code Await(Start start);
  boost::system::error_code Write(const std::string& bytes);
  boost::system::error_code Read(boost::asio::mutable_buffer into, size_t& size);

  boost::asio::io_context io_;
  boost::asio::ssl::stream<boost::asio::ip::tcp::socket> stream_;
  std::chrono::steady_clock::time_point deadline_ = std::chrono::steady_clock::time_point::max();
  bool tls_ = false;
  bool surplus_ = false;
};

// "timed out", or what the system calls it.
std::string Describe(const boost::system::error_code& ec);

}  // namespace relay::client

#endif  // RELAYD_RELAY_CLIENT_CONNECTION_H_
