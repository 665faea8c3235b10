// relayd's socket workers in this process, and clients with kernel sockets that talk to them.
#ifndef RELAYD_RELAY_DATAPLANE_BACKEND_FIXTURE_H_
#define RELAYD_RELAY_DATAPLANE_BACKEND_FIXTURE_H_

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "disco/client_handshake.h"
#include "relay/dataplane/socket_backend.h"

namespace relay {

using Bytes = std::vector<uint8_t>;

// A datagram of data: Geneve header, then text, filled up with zeros to `size`.
Bytes Data(uint32_t vni, std::string_view text, size_t size = 0);
// What Data carried.
std::string TextOf(const Bytes& datagram);

// One leg's client, on a socket of its own.
class SocketClient {
 public:
  struct Message {
    Bytes bytes;  // A train's datagrams back to back.
    size_t gro_size = 0;
    AddrPort from;
  };

  // Bound to `local`; sends to `relay`. It takes whole trains if `gro`.
  SocketClient(const AddrPort& local, const AddrPort& relay, disco::ClientHandshake handshake, uint32_t vni, bool gro);
  ~SocketClient();
  SocketClient(SocketClient&& other) noexcept;

  uint32_t vni() const { return vni_; }
  int fd() const { return fd_; }
  AddrPort address() const;
  void Close();

  void Send(const Bytes& datagram) const;
  void SendText(std::string_view text) const { Send(Data(vni_, text)); }
  void SendBurst(const std::vector<Bytes>& datagrams) const;                       // One sendmmsg.
  void SendTrain(const std::vector<Bytes>& datagrams, size_t segment_size) const;  // One UDP_SEGMENT send.

  // Waits for a message; empty after some seconds.
  Message Receive() const;
  std::string ReceiveText() const { return TextOf(Receive().bytes); }

  // Bind and challenge; the answer is for the caller to send.
  Bytes Handshake();
  const AddrPort& challenged_from() const { return challenged_from_; }

 private:
  int fd_;
  AddrPort relay_;
  disco::ClientHandshake handshake_;
  uint32_t vni_;
  AddrPort challenged_from_;
};

class BackendTest : public testing::Test {
 protected:
  static constexpr uint32_t kMaxWorkers = 4;

  BackendTest();
  ~BackendTest() override;

  // Opens and starts a backend on a free port.
  void StartRelay(SocketBackend::Options options = {});
  // Stops it, and checks that received = forwarded + answered + accepted + dropped.
  void StopRelay();

  // A client of each leg of a new endpoint, at these addresses (port 0: any), whose packets go to the relay at the
  // addresses `via`, which default to the loopback of the client's family.
  std::pair<SocketClient, SocketClient> Pair(std::string_view a, std::string_view b, std::string_view via_a = "",
                                             std::string_view via_b = "", bool gro = false);
  // The same with both legs bound.
  std::pair<SocketClient, SocketClient> BoundPair(std::string_view a, std::string_view b, std::string_view via_a = "",
                                                  std::string_view via_b = "", bool gro = false);
  void Bind(SocketClient& client);

  uint64_t Sum(const std::function<uint64_t(const Counters&)>& of) const;
  uint64_t Accepted() const;
  uint64_t Forwarded() const;
  uint64_t Dropped(DropReason reason) const;
  // Waits until it holds, some seconds at most.
  static bool Await(const std::function<bool()>& condition);

  disco::PrivateKey key_;
  Qsbr qsbr_;
  EndpointTable table_;
  RelayServer server_;
  std::unique_ptr<SocketBackend> backend_;
  uint16_t relay_port_ = 0;  // Where Pair's clients send to.
};

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_BACKEND_FIXTURE_H_
