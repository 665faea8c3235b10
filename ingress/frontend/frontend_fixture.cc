#include "ingress/frontend/frontend_fixture.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <thread>
#include <utility>

#include "ingress/frontend/public_socket.h"
#include "ingress/tcp_socket.h"
#include "tests/support/client_hello_builder.h"

namespace ingress::testing_support {
namespace {

const AddrPort kLoopback = *AddrPort::Parse("127.0.0.1:0");

bool Readable(int fd, std::chrono::milliseconds within) {
  pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
  return poll(&waiting, 1, static_cast<int>(within.count())) == 1;
}

}  // namespace

Peer::Peer(relay::Fd fd) : fd_(std::move(fd)) {
  const timeval soon{.tv_sec = kSoon.count(), .tv_usec = 0};
  setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
  setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon));
}

Peer Peer::Unconnected() { return Peer(relay::Fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))); }

Peer Peer::ConnectTo(const AddrPort& addr) {
  Peer peer = Unconnected();
  peer.Connect(addr);
  return peer;
}

void Peer::Connect(const AddrPort& addr) {
  sockaddr_storage address{};
  const socklen_t size = ToSockaddr(addr, address);
  EXPECT_EQ(connect(fd(), reinterpret_cast<const sockaddr*>(&address), size), 0) << strerror(errno);
}

void Peer::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) {
      ADD_FAILURE() << "send: " << strerror(errno);
      return;
    }
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

void Peer::SendAndEnd(std::string_view bytes) {
  EXPECT_EQ(send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_MORE), static_cast<ssize_t>(bytes.size()));
  End();
}

std::string Peer::Receive(size_t size) {
  std::string bytes(size, 0);
  size_t at = 0;
  while (at < size) {
    const ssize_t got = recv(fd(), bytes.data() + at, size - at, 0);
    if (got < 0) ADD_FAILURE() << "receive: " << strerror(errno);
    if (got <= 0) break;
    at += static_cast<size_t>(got);
  }
  bytes.resize(at);
  return bytes;
}

std::string Peer::ReceiveHead() {
  std::string head;
  while (!head.ends_with("\r\n\r\n")) {
    const std::string byte = Receive(1);
    if (byte.empty()) break;
    head += byte;
  }
  return head;
}

bool Peer::HasNothing() const { return !Readable(fd(), std::chrono::milliseconds(50)); }

bool Peer::AwaitEnd() {
  char byte;
  return recv(fd(), &byte, 1, 0) == 0;
}

bool Peer::AwaitReset() {
  char byte;
  return recv(fd(), &byte, 1, 0) < 0 && errno == ECONNRESET;
}

void Peer::End() { shutdown(fd(), SHUT_WR); }

void Peer::Abort() {
  ResetOnClose(fd());
  Close();
}

AddrPort Peer::local() const { return LocalAddr(fd()); }

Node::Node() {
  absl::StatusOr<relay::Fd> listener = OpenListener(kLoopback, false);
  EXPECT_TRUE(listener.ok());
  listener_ = std::move(*listener);
  addr_ = LocalAddr(listener_.get());
}

Peer Node::Accept() {
  EXPECT_TRUE(Readable(fd(), kSoon)) << "nobody dials";
  return Peer(relay::Fd(accept4(fd(), nullptr, nullptr, SOCK_CLOEXEC)));
}

Peer Node::Take(std::string_view hello) {
  Peer peer = Accept();
  EXPECT_TRUE(peer.ReceiveHead().starts_with("POST /v0/ingress HTTP/1.1\r\n"));
  peer.Send(kSwitching);
  EXPECT_EQ(peer.Receive(hello.size()), hello);
  return peer;
}

bool Node::NobodyCame() const { return !Readable(fd(), std::chrono::milliseconds(0)); }

size_t Node::Dialed(std::initializer_list<Node*> nodes) {
  std::vector<pollfd> waiting;
  for (const Node* node : nodes) waiting.push_back({.fd = node->fd(), .events = POLLIN, .revents = 0});
  EXPECT_EQ(poll(waiting.data(), waiting.size(), static_cast<int>(std::chrono::milliseconds(kSoon).count())), 1);
  const auto dialed = std::find_if(waiting.begin(), waiting.end(), [](const pollfd& p) { return p.revents != 0; });
  return static_cast<size_t>(dialed - waiting.begin());
}

std::string Hello(std::string_view name) { return test::Hello({.name = std::string(name)}); }

size_t OpenDescriptors(std::string_view kind) {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (std::filesystem::read_symlink(entry, gone).string().starts_with(kind)) ++count;
  }
  return count;
}

FrontendFixture::FrontendFixture() {
  options_.listen = {{.addr = kLoopback, .public_port = 443}};
  options_.access_log = "/dev/null";
  routes_ = {RouteTo(std::string(kName), {node_.addr()})};
}

FrontendFixture::~FrontendFixture() = default;

relay::FunnelRoute FrontendFixture::RouteTo(std::string name, std::vector<AddrPort> nodes) const {
  relay::FunnelRoute route;
  route.name = std::move(name);
  route.peerapi = std::move(nodes);
  return route;
}

void FrontendFixture::Start() {
  absl::StatusOr<std::unique_ptr<Frontend>> frontend = Frontend::Open(options_);
  ASSERT_TRUE(frontend.ok()) << frontend.status();
  frontend_ = std::move(*frontend);
  frontend_->SetLimits(limits_);
  SetRoutes(routes_);
  frontend_->Start();
}

void FrontendFixture::SetRoutes(std::vector<relay::FunnelRoute> routes) {
  live_routes_.clear();
  for (relay::FunnelRoute& route : routes) live_routes_.push_back(std::make_shared<Route>(std::move(route)));
  frontend_->SetRoutes(std::make_shared<RouteTable>(live_routes_));
}

FrontendFixture::Pair FrontendFixture::Spliced() {
  Pair pair;
  pair.client = Connect();
  pair.client.Send(hello_);
  pair.node = node_.Take(hello_);
  return pair;
}

double FrontendFixture::Value(std::string_view family, std::string_view label) const {
  std::vector<prometheus::MetricFamily> families;
  frontend_->Collect(families);
  for (const prometheus::MetricFamily& one : families) {
    if (one.name != family) continue;
    for (const prometheus::ClientMetric& metric : one.metric) {
      if (!label.empty() && (metric.label.empty() || metric.label[0].value != label)) continue;
      if (one.type == prometheus::MetricType::Histogram) return static_cast<double>(metric.histogram.sample_count);
      return one.type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value;
    }
  }
  ADD_FAILURE() << "no metric " << family << " " << label;
  return -1;
}

void FrontendFixture::Await(const std::function<bool()>& condition) const {
  const auto until = std::chrono::steady_clock::now() + kSoon;
  while (!condition()) {
    ASSERT_LT(std::chrono::steady_clock::now(), until);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void FrontendFixture::AwaitClosed(std::string_view reason, double count) const {
  Await([&] { return Closed(reason) >= count; });
  EXPECT_EQ(Closed(reason), count);
}

void FrontendFixture::ExpectRefused(Peer& client, std::string_view reason) {
  char byte;
  EXPECT_LE(recv(client.fd(), &byte, 1, 0), 0) << reason;
  AwaitClosed(reason);
  EXPECT_TRUE(node_.NobodyCame()) << reason;
  EXPECT_EQ(frontend_->connections(), 0u) << reason;
}

}  // namespace ingress::testing_support
