// The reference implementation's server sequences, replayed packet by packet through the core.
#include "tests/support/vectors.h"

#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include <string>

#include "relay/core/relay_server.h"

namespace relay {
namespace {

using test::FromHex;
using test::Vectors;

template <size_t N>
std::array<uint8_t, N> Array(std::string_view hex) {
  const std::vector<uint8_t> bytes = FromHex(hex);
  std::array<uint8_t, N> out{};
  std::copy_n(bytes.begin(), N, out.begin());
  return out;
}

AddrPort Addr(std::string_view text) { return AddrPort::Parse(text).value(); }

std::string_view Text(const boost::json::value& v, std::string_view name) { return v.at(name).as_string(); }

// The reference's MAC: keyed BLAKE2s-256, which libsodium lacks and OpenSSL has.
ServerCrypto::Mac Blake2s(const ServerCrypto::Secret& secret, std::span<const uint8_t> message) {
  ServerCrypto::Mac out{};
  size_t size = 0;
  EVP_MAC* mac = EVP_MAC_fetch(nullptr, "BLAKE2SMAC", nullptr);
  EVP_MAC_CTX* context = EVP_MAC_CTX_new(mac);
  EXPECT_EQ(EVP_MAC_init(context, secret.data(), secret.size(), nullptr), 1);
  EVP_MAC_update(context, message.data(), message.size());
  EVP_MAC_final(context, out.data(), &size, out.size());
  EVP_MAC_CTX_free(context);
  EVP_MAC_free(mac);
  EXPECT_EQ(size, out.size());
  return out;
}

disco::PrivateKey Key(std::string_view name) {
  return disco::PrivateKey::FromBytes(Array<32>(Text(Vectors().at("keys").at("pairs").at(name), "private_hex")));
}

// A server with the vectors' keys, secrets and one endpoint under their VNI.
class ReplayedServer {
 public:
  explicit ReplayedServer(std::array<std::string, 2> first_dialect_challenges = {}) : qsbr_(1), table_(4, qsbr_) {
    disco::InitCrypto();
    ServerCrypto crypto = ServerCrypto::Production();
    crypto.mac = Blake2s;
    const auto& secrets = Vectors().at("server_sequences").at("mac_secrets_hex").as_array();
    const auto newest = Array<32>(secrets.at(0).as_string());
    const auto previous = Array<32>(secrets.at(1).as_string());
    const int64_t current = ToNs(now_) / kMacSecretLifetime.count();
    crypto.mac_secret = [=](int64_t period) { return period == current ? newest : previous; };
    crypto.first_dialect_challenge = [=](const Endpoint&, int leg) {
      return Array<32>(first_dialect_challenges[static_cast<size_t>(leg)]);
    };
    server_.emplace(table_, Key("server").public_key(), crypto, RelayServer::Options{});
    worker_.counters = &counters_;
    Allocate();
  }

  // The reference's bucketless server takes any number of handshakes at once; the clock moves so that ours does too.
  Verdict Handle(std::string_view from, std::span<const uint8_t> packet) {
    now_ += std::chrono::milliseconds(50);
    Path path;
    path.remote = Addr(from);
    return server_->HandlePacket(worker_, path, packet, now_, reply_);
  }

  std::string Bound(size_t leg) const {
    Path path;
    return table_.Find(vni_)->binding[leg].Load(path) ? path.remote.ToString() : "";
  }
  const Reply& reply() const { return reply_; }
  uint32_t vni() const { return vni_; }

 private:
  void Allocate() {
    const disco::PrivateKey server = Key("server");
    EndpointTable::NewEndpoint endpoint;
    endpoint.clients = {Key("client_a").public_key(), Key("client_b").public_key()};
    endpoint.shared = {*server.Agree(endpoint.clients[0]), *server.Agree(endpoint.clients[1])};
    vni_ = static_cast<uint32_t>(Vectors().at("server_sequences").at("vni").as_int64());
    // VNIs rise from 1: skip to the vectors' one.
    uint32_t vni = 0;
    while (vni != vni_) {
      if (vni != 0) table_.Remove(vni);
      vni = table_.Insert(endpoint, now_).value();
    }
  }

  Instant now_ = Instant(kMacSecretLifetime * 100);
  Qsbr qsbr_;
  EndpointTable table_;
  Counters counters_;
  WorkerContext worker_;
  std::optional<RelayServer> server_;
  Reply reply_;
  uint32_t vni_ = 0;
};

// Opens what the server replied as its addressee would, and returns the clear text in hex.
std::string OpenReply(const Reply& reply, std::string_view recipient) {
  const auto wrapper = disco::ReadWrapper(reply.span().subspan(geneve::kHeaderSize));
  const auto shared = Key(recipient).Agree(Key("server").public_key());
  std::array<uint8_t, 512> buffer;
  const auto clear = disco::Open(*wrapper, *shared, buffer);
  return clear ? test::ToHex({clear->begin(), clear->end()}) : "does not open";
}

void ExpectReply(const boost::json::value& step, const ReplayedServer& server, std::string_view recipient) {
  const std::span<const uint8_t> reply = server.reply().span();
  EXPECT_EQ(test::ToHex({reply.begin(), reply.begin() + geneve::kHeaderSize}), Text(step, "reply_geneve_hex"));
  EXPECT_EQ(static_cast<int64_t>(reply.size()), step.at("reply_len").as_int64());
  EXPECT_EQ(OpenReply(server.reply(), recipient), Text(step, "reply_payload_hex"));
}

class ServerSequenceTest : public ::testing::TestWithParam<size_t> {};

TEST_P(ServerSequenceTest, MatchesTheReference) {
  const boost::json::value& sequence = Vectors().at("server_sequences").at("sequences").at(GetParam());
  SCOPED_TRACE(std::string(Text(sequence, "name")));
  ReplayedServer server;
  for (const boost::json::value& step : sequence.at("steps").as_array()) {
    SCOPED_TRACE(std::string(Text(step, "what")));
    const std::vector<uint8_t> packet = FromHex(Text(step, "packet_hex"));
    const Verdict verdict = server.Handle(Text(step, "from"), packet);
    // Where this relay differs on purpose: any Geneve version but 0 is dropped, control and data alike.
    if (packet.size() >= geneve::kHeaderSize && geneve::Parse(packet)->version != 0) {
      EXPECT_EQ(verdict, Verdict::Drop(DropReason::kUnknownVersion));
      continue;
    }
    const std::string_view expected = Text(step, "verdict");
    if (expected == "reply") {
      ASSERT_EQ(verdict.action, Verdict::Action::kReply);
      EXPECT_EQ(verdict.to.remote, Addr(Text(step, "to")));
      ExpectReply(step, server, Text(step, "reply_recipient"));
      EXPECT_LE(server.reply().size, packet.size());
    } else if (expected == "forward") {
      ASSERT_EQ(verdict.action, Verdict::Action::kForward);
      EXPECT_EQ(verdict.to.remote, Addr(Text(step, "to")));
    } else {
      // To the reference a valid answer is a drop as well: nothing is sent.
      EXPECT_TRUE(verdict.action == Verdict::Action::kDrop || verdict.action == Verdict::Action::kAccepted);
    }
    for (size_t leg = 0; leg < 2; ++leg) {
      EXPECT_EQ(server.Bound(leg), step.at("bound_after").at(leg).as_string());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, ServerSequenceTest, ::testing::Range(size_t{0}, size_t{4}));

TEST(FirstDialectSequenceTest, MatchesTheReference) {
  const boost::json::value& sequence = Vectors().at("seed_2025_03").at("server_sequence");
  ASSERT_EQ(sequence.at("client_a_index").as_int64(), 0);
  ReplayedServer server({std::string(sequence.at("challenge_hex").at(0).as_string()),
                         std::string(sequence.at("challenge_hex").at(1).as_string())});
  constexpr std::array kClients = {"client_a", "client_b"};
  for (const boost::json::value& step : sequence.at("steps").as_array()) {
    SCOPED_TRACE(std::string(Text(step, "what")));
    std::vector<uint8_t> packet;
    std::string_view client;
    if (step.as_object().contains("packet_hex")) {
      packet = FromHex(Text(step, "packet_hex"));
    } else {
      // Handshake steps give the clear text: seal it as the client would.
      client = kClients[static_cast<size_t>(step.at("client_index").as_int64())];
      const disco::PrivateKey key = Key(client);
      const std::vector<uint8_t> clear = FromHex(Text(step, "payload_hex"));
      packet.resize(geneve::kHeaderSize + disco::kSealedOverhead + clear.size());
      geneve::Write({.vni = server.vni(), .protocol = geneve::kProtocolDisco, .version = 0, .control = true},
                    std::span(packet).first<geneve::kHeaderSize>());
      disco::Seal(key.public_key(), *key.Agree(Key("server").public_key()), disco::RandomNonce(), clear,
                  std::span(packet).subspan(geneve::kHeaderSize));
    }
    const Verdict verdict = server.Handle(Text(step, "from"), packet);
    const std::string_view expected = Text(step, "verdict");
    if (expected == "reply") {
      ASSERT_EQ(verdict.action, Verdict::Action::kReply);
      ExpectReply(step, server, client);
    } else if (expected == "forward") {
      ASSERT_EQ(verdict.action, Verdict::Action::kForward);
      EXPECT_EQ(verdict.to.remote, Addr(Text(step, "to")));
    } else {
      EXPECT_TRUE(verdict.action == Verdict::Action::kDrop || verdict.action == Verdict::Action::kAccepted);
    }
    if (!client.empty()) {
      for (size_t leg = 0; leg < 2; ++leg) {
        constexpr int64_t kAnswerReceived = 4;  // The reference's state of a bound leg.
        EXPECT_EQ(!server.Bound(leg).empty(), step.at("handshake_state_after").at(leg).as_int64() == kAnswerReceived);
      }
    }
  }
}

TEST(ChallengeMacTest, ReferenceVectors) {
  for (const boost::json::value& v : Vectors().at("bind_mac_blake2s").as_array()) {
    const auto mac = Blake2s(Array<32>(Text(v, "secret_hex")), FromHex(Text(v, "mac_input_hex")));
    EXPECT_EQ(test::ToHex({mac.begin(), mac.end()}), Text(v, "mac_hex"));
  }
}

}  // namespace
}  // namespace relay
