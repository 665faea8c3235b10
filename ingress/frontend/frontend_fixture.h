// A frontend over loopback, with clients and nodes that the test plays itself. Whatever does not happen within kSoon
// fails the test.
#ifndef RELAYD_INGRESS_FRONTEND_FRONTEND_FIXTURE_H_
#define RELAYD_INGRESS_FRONTEND_FRONTEND_FIXTURE_H_

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ingress/frontend/frontend.h"
#include "relay/control/fd.h"

namespace ingress::testing_support {

inline constexpr std::chrono::seconds kSoon{20};
inline constexpr std::string_view kSwitching = "HTTP/1.1 101 Switching Protocols\r\n\r\n";

// A TCP socket that waits, for kSoon at most.
class Peer {
 public:
  Peer() = default;
  explicit Peer(relay::Fd fd);
  static Peer ConnectTo(const AddrPort& addr);
  // To connect later, when there may be no more descriptors.
  static Peer Unconnected();
  void Connect(const AddrPort& addr);

  void Send(std::string_view bytes);
  void SendAndEnd(std::string_view bytes);  // In one segment.
  std::string Receive(size_t size);         // So many bytes, or what came before the end.
  std::string ReceiveHead();                // To an empty line.
  // What is there to be read: a poll of 50 ms says.
  bool HasNothing() const;
  bool AwaitEnd();    // Nothing but the end comes.
  bool AwaitReset();  // Nothing but a reset comes.
  void End();         // FIN.
  void Abort();       // RST.
  void Close() { fd_ = relay::Fd(); }
  int fd() const { return fd_.get(); }
  AddrPort local() const;

 private:
  relay::Fd fd_;
};

// A node's peerAPI, played by the test.
class Node {
 public:
  Node();
  const AddrPort& addr() const { return addr_; }
  int fd() const { return listener_.get(); }
  Peer Accept();                      // One that has dialed.
  Peer Take(std::string_view hello);  // Accept, read the request, answer 101, read the hello.
  bool NobodyCame() const;
  void StopListening() { listener_ = relay::Fd(); }
  // The one that somebody has dialed.
  static size_t Dialed(std::initializer_list<Node*> nodes);

 private:
  relay::Fd listener_;
  AddrPort addr_;
};

std::string Hello(std::string_view name);
size_t OpenDescriptors(std::string_view kind = "");  // `socket:`, `pipe:`.

class FrontendFixture : public testing::Test {
 protected:
  FrontendFixture();
  ~FrontendFixture() override;

  // With a route for kName to node_, but for what a test has changed.
  void Start();
  void SetRoutes(std::vector<relay::FunnelRoute> routes);
  relay::FunnelRoute RouteTo(std::string name, std::vector<AddrPort> nodes) const;
  Peer Connect() { return Peer::ConnectTo(frontend_->local()[0]); }
  // A client that has sent its hello, and the node's end of it.
  struct Pair {
    Peer client, node;
  };
  Pair Spliced();

  double Value(std::string_view family, std::string_view label = "") const;  // By the first label's value.
  double Closed(std::string_view reason) const { return Value("relayd_funnel_closed_total", reason); }
  void Await(const std::function<bool()>& condition) const;
  void AwaitClosed(std::string_view reason, double count = 1) const;
  // That is all of it: closed without a byte, counted by this reason, nobody dialed.
  void ExpectRefused(Peer& client, std::string_view reason);

  static constexpr std::string_view kName = "node.example";
  const std::string hello_ = Hello(kName);
  Node node_;
  FrontendOptions options_;
  relay::FunnelPolicy limits_;
  std::vector<relay::FunnelRoute> routes_;
  std::vector<std::shared_ptr<Route>> live_routes_;
  std::unique_ptr<Frontend> frontend_;
};

}  // namespace ingress::testing_support

#endif  // RELAYD_INGRESS_FRONTEND_FRONTEND_FIXTURE_H_
