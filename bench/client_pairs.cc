#include "bench/client_pairs.h"

#include <linux/udp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <utility>

#include "disco/client_handshake.h"

namespace bench {

namespace {

constexpr int kSinkBuffer = 4 << 20;
constexpr int kAnswerMs = 1000;

void Check(bool ok, const char* what) {
  if (ok) return;
  std::perror(what);
  std::abort();
}

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return out;
}

int OpenClient(bool gro) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const sockaddr_in any = Loopback(0);
  Check(fd >= 0 && bind(fd, reinterpret_cast<const sockaddr*>(&any), sizeof(any)) == 0, "client socket");
  const int on = gro;
  Check(setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)) == 0, "UDP_GRO");
  for (const int option : {SO_RCVBUF, SO_SNDBUF, SO_RCVBUFFORCE, SO_SNDBUFFORCE}) {
    setsockopt(fd, SOL_SOCKET, option, &kSinkBuffer, sizeof(kSinkBuffer));  // What the kernel will give.
  }
  return fd;
}

sockaddr_in AddressOf(int fd) {
  sockaddr_in out{};
  socklen_t size = sizeof(out);
  Check(getsockname(fd, reinterpret_cast<sockaddr*>(&out), &size) == 0, "getsockname");
  return out;
}

}  // namespace

ClientPairs::ClientPairs(size_t count, bool gro) : relay_key_(disco::PrivateKey::Generate()) {
  for (size_t i = 0; i < count; ++i) {
    Pair pair{.keys = {}, .fds = {OpenClient(gro), OpenClient(gro)}};
    for (int leg = 0; leg < 2; ++leg) pair.keys.push_back(disco::PrivateKey::Generate());
    pairs_.push_back(std::move(pair));
  }
}

ClientPairs::~ClientPairs() {
  for (const Pair& pair : pairs_) {
    for (const int fd : pair.fds) close(fd);
  }
}

relay::EndpointTable::NewEndpoint ClientPairs::NewEndpoint(size_t pair) const {
  const std::vector<disco::PrivateKey>& keys = pairs_[pair].keys;
  relay::EndpointTable::NewEndpoint out;
  out.clients = {keys[0].public_key(), keys[1].public_key()};
  if (out.clients[1] < out.clients[0]) std::swap(out.clients[0], out.clients[1]);
  for (size_t leg = 0; leg < 2; ++leg) out.shared[leg] = relay_key_.Agree(out.clients[leg]).value();
  return out;
}

uint16_t ClientPairs::sender_port(size_t pair) const { return ntohs(AddressOf(sender(pair)).sin_port); }
sockaddr_in ClientPairs::sink_address(size_t pair) const { return AddressOf(sink(pair)); }

void ClientPairs::Bind(uint16_t relay_port) const {
  const sockaddr_in relay = Loopback(relay_port);
  for (size_t i = 0; i < pairs_.size(); ++i) {
    for (size_t leg = 0; leg < 2; ++leg) BindLeg(i, leg, relay);
  }
}

void ClientPairs::BindLeg(size_t pair, size_t leg, const sockaddr_in& relay) const {
  const std::vector<disco::PrivateKey>& keys = pairs_[pair].keys;
  const int fd = pairs_[pair].fds[leg];
  disco::ClientHandshake handshake({.self = keys[leg].public_key(),
                                    .server = relay_key_.public_key(),
                                    .peer = keys[1 - leg].public_key(),
                                    .shared = keys[leg].Agree(relay_key_.public_key()).value(),
                                    .vni = static_cast<uint32_t>(pair + 1)});
  const auto send = [&](const std::vector<uint8_t>& packet) {
    const auto* const to = reinterpret_cast<const sockaddr*>(&relay);
    Check(sendto(fd, packet.data(), packet.size(), 0, to, sizeof(relay)) > 0, "handshake");
  };
  send(handshake.Start(std::chrono::steady_clock::now()));
  pollfd readable{.fd = fd, .events = POLLIN, .revents = 0};
  Check(poll(&readable, 1, kAnswerMs) == 1, "wait for a challenge");
  std::array<uint8_t, 2048> buffer;
  const ssize_t size = recv(fd, buffer.data(), buffer.size(), 0);
  Check(size > 0, "recv");
  const auto answer = handshake.HandlePacket(std::span(buffer).first(static_cast<size_t>(size)));
  Check(answer.has_value(), "challenge");
  send(*answer);
}

void ClientPairs::Connect(uint16_t relay_port) const {
  const sockaddr_in relay = Loopback(relay_port);
  for (const Pair& pair : pairs_) {
    Check(connect(pair.fds[0], reinterpret_cast<const sockaddr*>(&relay), sizeof(relay)) == 0, "connect");
  }
}

size_t ClientPairs::Drain(size_t count) const {
  static constexpr unsigned kBatch = 64;
  std::array<mmsghdr, kBatch> headers{};
  size_t messages = 0;
  for (const Pair& pair : std::span(pairs_).first(count)) {
    int received = kBatch;
    while (received == static_cast<int>(kBatch)) {
      received = recvmmsg(pair.fds[1], headers.data(), kBatch, MSG_DONTWAIT | MSG_TRUNC, nullptr);
      if (received > 0) messages += static_cast<size_t>(received);
    }
  }
  return messages;
}

}  // namespace bench
