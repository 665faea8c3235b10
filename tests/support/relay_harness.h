// The relay core, its table and a clock that the test moves. No NIC, threads or mocks.
#ifndef RELAYD_TESTS_SUPPORT_RELAY_HARNESS_H_
#define RELAYD_TESTS_SUPPORT_RELAY_HARNESS_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "disco/client_handshake.h"
#include "relay/core/relay_server.h"

namespace test {

class RelayHarness;

// One client of one endpoint, at an address that the test chooses.
class Client {
 public:
  Client(RelayHarness& relay, disco::PrivateKey key, const disco::PublicKey& peer, uint32_t vni,
         relay::AddrPort address, disco::Dialect dialect);

  // A whole handshake from the current address; the verdict of the answer.
  relay::Verdict Bind();
  // Its two halves. Answer answers the last challenge that came.
  relay::Verdict SendBind();
  relay::Verdict SendAnswer();
  // Data through the relay: Geneve header and text.
  relay::Verdict Send(std::string_view text, uint32_t packets = 1);
  // Any bytes, as they are.
  relay::Verdict SendRaw(std::span<const uint8_t> packet);
  // A sealed control message of any content.
  relay::Verdict SendSealed(std::span<const uint8_t> clear);
  // A bind or answer of any fields.
  relay::Verdict SendBindMessage(disco::MessageType type, const disco::BindCommon& bind);

  void MoveTo(relay::AddrPort address) { path_.remote = address; }
  const relay::Path& path() const { return path_; }
  relay::Path& path() { return path_; }
  const std::vector<uint8_t>& last_answer() const { return answer_; }
  disco::ClientHandshake& handshake() { return handshake_; }
  // The challenge message that the relay sent last, opened.
  const disco::BindCommon& last_challenge() const { return challenge_; }
  const disco::PublicKey& public_key() const { return key_.public_key(); }
  uint32_t vni() const { return vni_; }

 private:
  RelayHarness& relay_;
  disco::PrivateKey key_;
  uint32_t vni_;
  disco::SharedKey shared_;
  disco::ClientHandshake handshake_;
  relay::Path path_;
  std::vector<uint8_t> answer_;
  disco::BindCommon challenge_;
};

class RelayHarness {
 public:
  explicit RelayHarness(relay::RelayServer::Options options = {}, uint32_t max_endpoints = 1024);

  // Two clients of a new endpoint, at 198.18.0.1:1001 and second_client, not bound yet.
  std::pair<Client, Client> AllocatePair(disco::Dialect dialect = disco::Dialect::kCurrent);

  relay::Verdict Handle(const relay::Path& from, std::span<const uint8_t> packet, uint32_t packets = 1);
  void Advance(relay::Duration by) { now += by; }

  // Of either family: two clients over IPv4 are decided by flows alone, others by bindings too.
  static constexpr char kSecond4[] = "198.18.0.2:1002";
  static constexpr char kSecond6[] = "[2001:db8::2]:1002";
  static inline const char* second_client = kSecond6;

  relay::Instant now = relay::Instant(std::chrono::hours(1));
  disco::PrivateKey key;
  relay::Qsbr qsbr;
  relay::EndpointTable table;
  relay::Counters counters;
  relay::WorkerContext worker;
  relay::RelayServer server;
  relay::Reply reply;

 private:
  uint64_t lamport_ = 0;
};

disco::AddrPort Addr(std::string_view text);

// Tests that are run with a second client of each family.
class BothFamiliesTest : public testing::TestWithParam<const char*> {
 protected:
  BothFamiliesTest() { RelayHarness::second_client = GetParam(); }
  ~BothFamiliesTest() override { RelayHarness::second_client = RelayHarness::kSecond6; }

 public:
  static std::string NameOf(const testing::TestParamInfo<const char*>& info) {
    return info.param == RelayHarness::kSecond4 ? "Ipv4" : "Ipv6";
  }
};

}  // namespace test

#endif  // RELAYD_TESTS_SUPPORT_RELAY_HARNESS_H_
