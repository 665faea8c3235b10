// One asynchronous operation at a time, waited for: Beast's timeouts are for asynchronous operations alone.
#ifndef RELAYD_RELAY_CLIENT_AWAIT_H_
#define RELAYD_RELAY_CLIENT_AWAIT_H_

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/system/error_code.hpp>
#include <string>

namespace relay::client {

// `start` starts an operation on `io` with the handler that it is given; returns when that was called.
template <typename Start>
boost::system::error_code Await(boost::asio::io_context& io, Start start) {
  boost::system::error_code result = boost::asio::error::operation_aborted;
  start([&result](boost::system::error_code ec, auto&&...) { result = ec; });
  io.restart();
  io.run();
  return result;
}

// Of an operation that has failed.
inline std::string Describe(boost::system::error_code ec) {
  return ec == boost::beast::error::timeout ? "timed out" : ec.message();
}

}  // namespace relay::client

#endif  // RELAYD_RELAY_CLIENT_AWAIT_H_
