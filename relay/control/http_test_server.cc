#include "relay/control/http_test_server.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <chrono>
#include <cstdlib>
#include <future>
#include <utility>

#include "relay/control/text.h"

namespace relay {

RawClient::RawClient(const AddrPort& server) {
  const auto endpoint = ToEndpoint(server);
  fd_ = socket(endpoint.protocol().family(), SOCK_STREAM, 0);
  const timeval patience{.tv_sec = 10, .tv_usec = 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  EXPECT_EQ(connect(fd_, endpoint.data(), static_cast<socklen_t>(endpoint.size())), 0);
}

RawClient::~RawClient() {
  if (fd_ >= 0) close(fd_);
}

bool RawClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

void RawClient::FinishSending() { shutdown(fd_, SHUT_WR); }

bool RawClient::ReadMore() {
  char buffer[65536];
  const ssize_t size = recv(fd_, buffer, sizeof(buffer), 0);
  if (size > 0) behind_.append(buffer, static_cast<size_t>(size));
  return size > 0;
}

std::string RawClient::ReadHead() {
  size_t end = 0;
  while ((end = behind_.find("\r\n\r\n")) == std::string::npos) {
    if (!ReadMore()) return "";
  }
  std::string head = behind_.substr(0, end + 4);
  behind_.erase(0, end + 4);
  return head;
}

std::string RawClient::ReadResponse() {
  std::string response = ReadHead();
  const size_t length = std::strtoul(HeaderOf(response, "Content-Length").c_str(), nullptr, 10);
  while (behind_.size() < length) {
    if (!ReadMore()) return "";
  }
  response += behind_.substr(0, length);
  behind_.erase(0, length);
  return response;
}

std::string RawClient::ReadToEnd() {
  while (ReadMore()) {
  }
  return std::exchange(behind_, "");
}

bool RawClient::IsClosed() {
  char byte = 0;
  const ssize_t size = recv(fd_, &byte, 1, 0);
  return size == 0 || (size < 0 && errno == ECONNRESET);
}

int StatusOf(std::string_view response) {
  return response.starts_with("HTTP/1.1 ") ? std::atoi(std::string(response.substr(9, 3)).c_str()) : 0;
}

std::string BodyOf(std::string_view response) {
  const size_t end = response.find("\r\n\r\n");
  return end == std::string_view::npos ? "" : std::string(response.substr(end + 4));
}

std::string HeaderOf(std::string_view response, std::string_view name) {
  for (const std::string_view line : text::Split(response.substr(0, response.find("\r\n\r\n")), '\n')) {
    const size_t colon = line.find(':');
    if (colon != std::string_view::npos && text::EqualsIgnoreCase(line.substr(0, colon), name)) {
      return std::string(text::Trim(line.substr(colon + 1)));
    }
  }
  return "";
}

Policy PolicyOf(std::string_view json) {
  absl::StatusOr<Policy> policy = Policy::Parse(json, "test");
  EXPECT_TRUE(policy.ok()) << policy.status();
  return *std::move(policy);
}

TestServer::TestServer(Settings settings)
    : table_(settings.max_endpoints, qsbr_),
      allocator_(table_, disco::PrivateKey::Generate(), settings.allocator),
      host_names_(settings.api_hosts),
      api_({.table = table_,
            .allocator = allocator_,
            .host_names = host_names_,
            .udp_port = 40000,
            .post = [this](std::function<void()> task) { boost::asio::post(io_, std::move(task)); },
            .funnel = settings.funnel,
            .ingress = std::move(settings.ingress)},
           std::move(settings.policy)),
      server_(io_, io_, settings.handler != nullptr ? *settings.handler : api_, nullptr, settings.times) {
  api_.SetAddrPorts(std::move(settings.addr_ports));
  const absl::Status listening = server_.Listen(settings.listen);
  EXPECT_TRUE(listening.ok()) << listening;
  server_.Start();
  thread_ = std::thread([this] { io_.run(); });
}

TestServer::~TestServer() {
  boost::asio::post(io_, [this] {
    server_.Stop();
    io_.stop();
  });
  thread_.join();
}

void TestServer::OnControl(const std::function<void()>& task) {
  std::promise<void> done;
  boost::asio::post(io_, [&] {
    task();
    done.set_value();
  });
  done.get_future().wait();
}

void TestServer::Post(std::function<void()> task) { boost::asio::post(io_, std::move(task)); }

std::string TestServer::Request(std::string_view method, std::string_view target, std::string_view headers,
                                std::string_view body) const {
  RawClient client = Connect();
  std::string length = body.empty() ? "" : text::Cat("Content-Length: ", body.size(), "\r\n");
  client.Send(text::Cat(method, " ", target, " HTTP/1.1\r\nHost: ", address().ToString(), "\r\n", headers, length,
                        "\r\n", body));
  return method == "HEAD" ? client.ReadHead() : client.ReadResponse();
}

std::string AllocateBody(uint8_t a, uint8_t b) {
  // Any 32 bytes but the few low-order points are a public key.
  disco::PublicKey first, second;
  first.bytes.fill(0x42);
  second.bytes.fill(0x42);
  first.bytes[0] = a;
  second.bytes[0] = b;
  return text::Cat(R"({"DiscoKeys":[")", first.ToString(), R"(",")", second.ToString(), R"("]})");
}

bool Await(const std::function<bool()>& condition) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

}  // namespace relay
