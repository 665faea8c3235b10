// For tests: the API over a small table, on a port of its own and a thread of its own; and a client that sends raw
// bytes.
#ifndef RELAYD_RELAY_CONTROL_HTTP_TEST_SERVER_H_
#define RELAYD_RELAY_CONTROL_HTTP_TEST_SERVER_H_

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "relay/control/allocator.h"
#include "relay/control/http_api.h"
#include "relay/control/http_server.h"
#include "relay/core/endpoint_table.h"
#include "relay/core/qsbr.h"

namespace relay {

// A TCP connection; reads give up after ten seconds.
class RawClient {
 public:
  explicit RawClient(const AddrPort& server);
  ~RawClient();
  RawClient(RawClient&& other) noexcept : fd_(other.fd_), behind_(std::move(other.behind_)) { other.fd_ = -1; }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  // False once the other side has reset the connection.
  bool Send(std::string_view bytes);
  void FinishSending();
  // One whole answer: head, and the body that its Content-Length tells. Empty: the connection ended before.
  std::string ReadResponse();
  // The head alone: the answer to a HEAD.
  std::string ReadHead();
  // All until the connection ends.
  std::string ReadToEnd();
  bool IsClosed();  // Waits for the end; false if bytes or nothing at all come.

 private:
  bool ReadMore();
  int fd_;
  std::string behind_;  // Read, but not yet given out.
};

int StatusOf(std::string_view response);
std::string BodyOf(std::string_view response);
// The value of a header, or "" if it is not there.
std::string HeaderOf(std::string_view response, std::string_view name);

Policy PolicyOf(std::string_view json);

class TestServer {
 public:
  struct Settings {
    Policy policy = Policy::LoopbackOnly();
    std::vector<AddrPort> addr_ports = {AddrPort::FromIpv4({192, 0, 2, 1}, 40000)};
    std::vector<std::string> api_hosts = {};
    HttpTimes times = {};
    Allocator::Options allocator = {};
    uint32_t max_endpoints = 1024;
    AddrPort listen = AddrPort::FromIpv4({127, 0, 0, 1}, 0);
    HttpHandler* handler = nullptr;  // In place of the API.
    FunnelService* funnel = nullptr;
    std::function<void(const HttpRequest&, std::shared_ptr<Exchange>)> ingress = {};
  };

  explicit TestServer(Settings settings);
  TestServer() : TestServer(Settings{}) {}
  ~TestServer();

  // Runs `task` on the control thread and waits for it.
  void OnControl(const std::function<void()>& task);
  // Runs `task` on the control thread, behind what waits there.
  void Post(std::function<void()> task);
  HttpApi& api() { return api_; }
  EndpointTable& table() { return table_; }
  Allocator& allocator() { return allocator_; }
  const HttpStats& stats() const { return server_.stats(); }
  AddrPort address() const { return server_.local(); }

  RawClient Connect() const { return RawClient(address()); }
  // One request on a connection of its own. `headers` are whole lines; a Host of ours is put in front.
  std::string Request(std::string_view method, std::string_view target, std::string_view headers = "",
                      std::string_view body = "") const;
  std::string Allocate(std::string_view body, std::string_view headers = "") const {
    return Request("POST", "/v0/relay/endpoint", headers, body);
  }

 private:
  Qsbr qsbr_{1};
  EndpointTable table_;
  Allocator allocator_;
  boost::asio::io_context io_{1};
  HostNames host_names_;
  HttpApi api_;
  HttpServer server_;
  std::thread thread_;
};

// {"DiscoKeys":[…]} of two keys that are good and depend on the numbers alone.
std::string AllocateBody(uint8_t a, uint8_t b);

// Waits until `condition` holds; false if it has not after ten seconds.
bool Await(const std::function<bool()>& condition);

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_HTTP_TEST_SERVER_H_
