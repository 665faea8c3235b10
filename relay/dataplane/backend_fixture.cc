#include "relay/dataplane/backend_fixture.h"

#include <linux/udp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>

#include "geneve/geneve.h"
#include "relay/dataplane/ancillary.h"

namespace relay {

namespace {

constexpr auto kPatience = std::chrono::seconds(10);

sockaddr* Any(SocketAddress& address) { return &address.any; }

SocketAddress Write(const AddrPort& addr, socklen_t& size) {
  SocketAddress out;
  size = WriteAddress(addr, out);
  return out;
}

}  // namespace

Bytes Data(uint32_t vni, std::string_view text, size_t size) {
  Bytes out(std::max(size, geneve::kHeaderSize + text.size()));
  geneve::Write({.vni = vni, .protocol = geneve::kProtocolWireGuard, .version = 0, .control = false},
                std::span(out).first<geneve::kHeaderSize>());
  std::copy(text.begin(), text.end(), out.begin() + geneve::kHeaderSize);
  return out;
}

std::string TextOf(const Bytes& datagram) {
  if (datagram.size() < geneve::kHeaderSize) return "(nothing came)";
  const std::string text(datagram.begin() + geneve::kHeaderSize, datagram.end());
  return text.substr(0, text.find('\0'));
}

SocketClient::SocketClient(const AddrPort& local, const AddrPort& relay, disco::ClientHandshake handshake, uint32_t vni,
                           bool gro)
    : fd_(socket(local.IsIpv4() ? AF_INET : AF_INET6, SOCK_DGRAM, 0)),
      relay_(relay),
      handshake_(std::move(handshake)),
      vni_(vni) {
  socklen_t size;
  SocketAddress address = Write(local, size);
  EXPECT_EQ(bind(fd_, Any(address), size), 0) << local.ToString();
  const int on = gro;
  setsockopt(fd_, IPPROTO_UDP, UDP_GRO, &on, sizeof(on));
}

SocketClient::~SocketClient() { Close(); }

SocketClient::SocketClient(SocketClient&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), relay_(other.relay_), handshake_(other.handshake_), vni_(other.vni_) {}

AddrPort SocketClient::address() const {
  SocketAddress address;
  socklen_t size = sizeof(address);
  getsockname(fd_, Any(address), &size);
  return ReadAddress(address);
}

void SocketClient::Close() {
  if (fd_ >= 0) close(std::exchange(fd_, -1));
}

void SocketClient::Send(const Bytes& datagram) const { SendBurst({datagram}); }

void SocketClient::SendBurst(const std::vector<Bytes>& datagrams) const {
  socklen_t size;
  SocketAddress to = Write(relay_, size);
  std::vector<iovec> vectors(datagrams.size());
  std::vector<mmsghdr> headers(datagrams.size());
  for (size_t i = 0; i < datagrams.size(); ++i) {
    vectors[i] = {.iov_base = const_cast<uint8_t*>(datagrams[i].data()), .iov_len = datagrams[i].size()};
    headers[i].msg_hdr = {};
    headers[i].msg_hdr.msg_name = &to;
    headers[i].msg_hdr.msg_namelen = size;
    headers[i].msg_hdr.msg_iov = &vectors[i];
    headers[i].msg_hdr.msg_iovlen = 1;
  }
  EXPECT_EQ(sendmmsg(fd_, headers.data(), static_cast<unsigned>(headers.size()), 0), static_cast<int>(headers.size()));
}

void SocketClient::SendTrain(const std::vector<Bytes>& datagrams, size_t segment_size) const {
  Bytes train;
  for (const Bytes& datagram : datagrams) train.insert(train.end(), datagram.begin(), datagram.end());
  const int on = static_cast<int>(segment_size), off = 0;
  ASSERT_EQ(setsockopt(fd_, IPPROTO_UDP, UDP_SEGMENT, &on, sizeof(on)), 0);
  Send(train);
  setsockopt(fd_, IPPROTO_UDP, UDP_SEGMENT, &off, sizeof(off));
}

SocketClient::Message SocketClient::Receive() const {
  Message out;
  pollfd readable{.fd = fd_, .events = POLLIN, .revents = 0};
  if (poll(&readable, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count())) != 1) return out;
  out.bytes.resize(65536);
  SocketAddress from;
  ReceiveControl control;
  iovec vector{.iov_base = out.bytes.data(), .iov_len = out.bytes.size()};
  msghdr header{};
  header.msg_name = &from;
  header.msg_namelen = sizeof(from);
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  header.msg_control = control.bytes.data();
  header.msg_controllen = control.bytes.size();
  const ssize_t size = recvmsg(fd_, &header, MSG_DONTWAIT);
  out.bytes.resize(size > 0 ? static_cast<size_t>(size) : 0);
  if (size < 0) return out;
  Path ignored;
  out.gro_size = ReadControl(header, ignored);
  out.from = ReadAddress(from);
  return out;
}

Bytes SocketClient::Handshake() {
  Send(handshake_.Start(std::chrono::steady_clock::now()));
  const Message challenge = Receive();
  challenged_from_ = challenge.from;
  const auto answer = handshake_.HandlePacket(challenge.bytes);
  EXPECT_TRUE(answer.has_value()) << "no challenge";
  return answer.value_or(Bytes());
}

BackendTest::BackendTest()
    : key_((disco::InitCrypto(), disco::PrivateKey::Generate())),
      qsbr_(kMaxWorkers),
      table_(1024, qsbr_),
      server_(table_, key_.public_key(), ServerCrypto::Production(), {}) {}

BackendTest::~BackendTest() { StopRelay(); }

void BackendTest::StartRelay(SocketBackend::Options options) {
  options.udp_port = 0;
  auto opened = SocketBackend::Open(options);
  ASSERT_TRUE(opened.ok()) << opened.status();
  backend_ = *std::move(opened);
  relay_port_ = backend_->port();
  const absl::Status started = backend_->Start(server_, qsbr_);
  ASSERT_TRUE(started.ok()) << started;
}

void BackendTest::StopRelay() {
  if (!backend_) return;
  backend_->Stop();
  const auto received = Sum([](const Counters& c) { return c.received.Get(); });
  const auto accounted = Sum([](const Counters& c) {
    uint64_t sum = c.answered.Get() + c.accepted.Get();
    for (const Counter& reason : c.dropped) sum += reason.Get();
    for (const auto& row : c.forwarded_packets) sum += row[0].Get() + row[1].Get();
    return sum;
  });
  EXPECT_EQ(received, accounted);
  backend_.reset();
}

std::pair<SocketClient, SocketClient> BackendTest::Pair(std::string_view a, std::string_view b, std::string_view via_a,
                                                        std::string_view via_b, bool gro) {
  disco::PrivateKey keys[2] = {disco::PrivateKey::Generate(), disco::PrivateKey::Generate()};
  if (keys[1].public_key() < keys[0].public_key()) std::swap(keys[0], keys[1]);
  EndpointTable::NewEndpoint endpoint;
  for (size_t leg = 0; leg < 2; ++leg) {
    endpoint.clients[leg] = keys[leg].public_key();
    endpoint.shared[leg] = key_.Agree(keys[leg].public_key()).value();
  }
  const uint32_t vni = table_.Insert(endpoint, std::chrono::steady_clock::now()).value();
  const auto client = [&](size_t leg, std::string_view local, std::string_view via) {
    const AddrPort address = AddrPort::Parse(local).value();
    AddrPort relay = AddrPort::Parse(via.empty() ? (address.IsIpv4() ? "127.0.0.1:1" : "[::1]:1") : via).value();
    relay.port = relay_port_;
    disco::ClientHandshake handshake({.self = keys[leg].public_key(),
                                      .server = key_.public_key(),
                                      .peer = keys[1 - leg].public_key(),
                                      .shared = endpoint.shared[leg],
                                      .vni = vni});
    return SocketClient(address, relay, std::move(handshake), vni, gro);
  };
  return {client(0, a, via_a), client(1, b, via_b)};
}

std::pair<SocketClient, SocketClient> BackendTest::BoundPair(std::string_view a, std::string_view b,
                                                             std::string_view via_a, std::string_view via_b, bool gro) {
  auto pair = Pair(a, b, via_a, via_b, gro);
  Bind(pair.first);
  Bind(pair.second);
  return pair;
}

void BackendTest::Bind(SocketClient& client) {
  const uint64_t before = Accepted();
  client.Send(client.Handshake());
  EXPECT_TRUE(Await([&] { return Accepted() == before + 1; })) << "not bound";
}

uint64_t BackendTest::Sum(const std::function<uint64_t(const Counters&)>& of) const {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < backend_->workers(); ++i) sum += of(backend_->counters(i));
  return sum;
}

uint64_t BackendTest::Accepted() const {
  return Sum([](const Counters& c) { return c.accepted.Get(); });
}

uint64_t BackendTest::Forwarded() const {
  return Sum([](const Counters& c) {
    uint64_t sum = 0;
    for (const auto& row : c.forwarded_packets) sum += row[0].Get() + row[1].Get();
    return sum;
  });
}

uint64_t BackendTest::Dropped(DropReason reason) const {
  return Sum([&](const Counters& c) { return c.dropped[static_cast<size_t>(reason)].Get(); });
}

bool BackendTest::Await(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace relay
