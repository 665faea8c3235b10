#include "relay/client/connection.h"

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "absl/strings/numbers.h"
#include "relay/client/api_client.h"

namespace relay::client {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr size_t kReadSize = 64u << 10;
constexpr int64_t kMaxRetryAfter = 3600;  // Nobody is told to wait for days.

std::chrono::seconds RetryAfter(const http::response<http::string_body>& answer) {
  int64_t seconds = 0;
  const auto header = answer[http::field::retry_after];
  if (!absl::SimpleAtoi(std::string(header), &seconds)) return {};
  return std::chrono::seconds(std::clamp<int64_t>(seconds, 0, kMaxRetryAfter));
}

}  // namespace

void Connection::ExpireAfter(std::chrono::milliseconds timeout) {
  deadline_ = std::chrono::steady_clock::now() + timeout;
}

// `start` starts an operation with the handler that it is given; returns when that was called.
template <typename Start>
error_code Connection::Await(Start start) {
  error_code result = asio::error::operation_aborted;
  start([&result](const error_code& ec, const auto&...) { result = ec; });
  io_.restart();
  io_.run_until(deadline_);
  if (io_.stopped()) return result;
  error_code ignored;
  stream_.next_layer().close(ignored);  // Ends the operation.
  io_.run();
  return asio::error::timed_out;
}

error_code Connection::Connect(const std::vector<tcp::endpoint>& addresses) {
  return Await([&](auto done) { asio::async_connect(stream_.next_layer(), addresses, done); });
}

error_code Connection::StartTls(const std::string& server_name) {
  if (!server_name.empty()) SSL_set_tlsext_host_name(ssl(), server_name.c_str());
  tls_ = true;
  return Await([&](auto done) { stream_.async_handshake(asio::ssl::stream_base::client, done); });
}

error_code Connection::Write(const std::string& bytes) {
  return Await([&](auto done) {
    tls_ ? asio::async_write(stream_, asio::buffer(bytes), done)
         : asio::async_write(stream_.next_layer(), asio::buffer(bytes), done);
  });
}

error_code Connection::Read(asio::mutable_buffer into, size_t& size) {
  return Await([&](auto done) {
    const auto keep_size = [&size, done](const error_code& ec, size_t count) {
      size = count;
      done(ec);
    };
    tls_ ? stream_.async_read_some(into, keep_size) : stream_.next_layer().async_read_some(into, keep_size);
  });
}

error_code Connection::Exchange(const std::string& request, uint64_t max_body, HttpResponse& response) {
  error_code ec = Write(request);
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(max_body);
  parser.eager(true);  // Its body too, as far as it is there.
  while (!ec && !parser.is_done()) {
    size_t size = 0;
    ec = Read(buffer.prepare(kReadSize), size);
    buffer.commit(size);
    if (ec == asio::error::eof && parser.got_some()) {
      ec = {};
      parser.put_eof(ec);  // The end of a body without a length.
    } else if (!ec) {
      buffer.consume(parser.put(buffer.data(), ec));
      if (ec == http::error::need_more) ec = {};
    }
  }
  surplus_ = buffer.size() > 0;
  if (parser.is_header_done()) {
    http::response<http::string_body> answer = parser.release();
    response = {.status = answer.result_int(), .body = std::move(answer.body()), .retry_after = RetryAfter(answer)};
  }
  return ec;
}

tcp::endpoint Connection::local_endpoint() const {
  error_code ignored;
  return stream_.next_layer().local_endpoint(ignored);
}

std::string Describe(const error_code& ec) { return ec == asio::error::timed_out ? "timed out" : ec.message(); }

}  // namespace relay::client
