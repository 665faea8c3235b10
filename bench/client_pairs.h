// Pairs of relay clients over loopback: a sender and a sink each, with the keys and handshakes that bind them.
#ifndef RELAYD_BENCH_CLIENT_PAIRS_H_
#define RELAYD_BENCH_CLIENT_PAIRS_H_

#include <netinet/in.h>

#include <cstdint>
#include <vector>

#include "disco/key.h"
#include "relay/core/endpoint_table.h"

namespace bench {

class ClientPairs {
 public:
  // Opens the sockets, which take whole trains (UDP_GRO) if `gro`. Aborts if the kernel refuses.
  ClientPairs(size_t count, bool gro);
  ~ClientPairs();
  ClientPairs(const ClientPairs&) = delete;
  ClientPairs& operator=(const ClientPairs&) = delete;

  size_t size() const { return pairs_.size(); }
  const disco::PrivateKey& relay_key() const { return relay_key_; }
  relay::EndpointTable::NewEndpoint NewEndpoint(size_t pair) const;
  int sender(size_t pair) const { return pairs_[pair].fds[0]; }
  int sink(size_t pair) const { return pairs_[pair].fds[1]; }
  uint16_t sender_port(size_t pair) const;
  sockaddr_in sink_address(size_t pair) const;

  // Binds both legs of every pair, the first pair's VNI being 1, at the relay on this loopback port. Aborts if one
  // fails.
  void Bind(uint16_t relay_port) const;
  // Makes `relay_port` where the senders send to.
  void Connect(uint16_t relay_port) const;
  // Takes what has come to the sinks of the first `count` pairs, without copying it; returns the number of messages.
  size_t Drain(size_t count) const;

 private:
  struct Pair {
    std::vector<disco::PrivateKey> keys;  // Two; the first is the sender's.
    int fds[2];
  };
  void BindLeg(size_t pair, size_t leg, const sockaddr_in& relay) const;

  disco::PrivateKey relay_key_;
  std::vector<Pair> pairs_;
};

}  // namespace bench

#endif  // RELAYD_BENCH_CLIENT_PAIRS_H_
