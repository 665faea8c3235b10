// The core as a whole: the bytes are a script of packets and events for one endpoint, from several sources.
//
// A step is: operation and source (1 byte: low and high half), length (1 byte), that many bytes of content.
#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "disco/client_handshake.h"
#include "relay/core/relay_server.h"
#include "tests/fuzz/check.h"

namespace {

using disco::AddrPort;
using fuzz::Check;
using relay::Path;
using relay::Verdict;

enum Operation : uint8_t {
  kRaw,
  kSealedByA,
  kSealedByB,
  kBindA,
  kBindB,
  kAnswerA,
  kAnswerB,
  kData,
  kAdvance,
  kReallocate,
  kOperations,
};

disco::PrivateKey KeyOf(uint8_t seed) {
  std::array<uint8_t, disco::kKeySize> bytes;
  bytes.fill(seed);
  return disco::PrivateKey::FromBytes(bytes);
}

// What costs X25519 is made once.
struct Keys {
  Keys() {
    disco::InitCrypto();
    if (b.public_key() < a.public_key()) std::swap(a, b);
    endpoint.clients = {a.public_key(), b.public_key()};
    endpoint.shared = {*server.Agree(a.public_key()), *server.Agree(b.public_key())};
  }
  disco::PrivateKey server = KeyOf(1);
  disco::PrivateKey a = KeyOf(2);
  disco::PrivateKey b = KeyOf(3);
  relay::EndpointTable::NewEndpoint endpoint;
};

relay::ServerCrypto FixedCrypto() {
  relay::ServerCrypto crypto = relay::ServerCrypto::Production();
  crypto.mac_secret = [](int64_t period) {
    relay::ServerCrypto::Secret secret{};
    secret[0] = static_cast<uint8_t>(period);
    return secret;
  };
  crypto.nonce = [] { return disco::Nonce{}; };
  return crypto;
}

Path Source(uint8_t index) {
  static const std::array<const char*, 6> kSources = {"198.18.0.1:1001", "[2001:db8::2]:1002", "198.18.0.3:1003",
                                                      "[fe80::1%3]:5",   "224.0.0.1:1",        "198.18.0.1:0"};
  Path path;
  path.remote = *AddrPort::Parse(kSources[index % kSources.size()]);
  return path;
}

class Script {
 public:
  explicit Script(const Keys& keys)
      : keys_(keys), qsbr_(1), table_(2, qsbr_), server_(table_, keys.server.public_key(), FixedCrypto(), {}) {
    worker_.counters = &counters_;
    Reallocate();
  }

  void Step(uint8_t operation, uint8_t source, std::span<const uint8_t> content) {
    const Path from = Source(source);
    switch (operation % kOperations) {
      case kRaw:
        return Handle(from, content);
      case kSealedByA:
        return Handle(from, Seal(0, content));
      case kSealedByB:
        return Handle(from, Seal(1, content));
      case kBindA:
        return Handle(from, handshakes_[0]->Start(now_), 0);
      case kBindB:
        return Handle(from, handshakes_[1]->Start(now_), 1);
      case kAnswerA:
        return Handle(from, answers_[0]);
      case kAnswerB:
        return Handle(from, answers_[1]);
      case kData:
        return Handle(from, Packet(false, content));
      case kAdvance:
        now_ += std::chrono::milliseconds(int64_t{100} << std::min<size_t>(content.size(), 12));
        return;
      default:
        return Reallocate();
    }
  }

 private:
  std::vector<uint8_t> Packet(bool control, std::span<const uint8_t> body) const {
    std::vector<uint8_t> packet(geneve::kHeaderSize + body.size());
    geneve::Write({.vni = vni_, .protocol = geneve::kProtocolDisco, .version = 0, .control = control},
                  std::span(packet).first<geneve::kHeaderSize>());
    std::copy(body.begin(), body.end(), packet.begin() + geneve::kHeaderSize);
    return packet;
  }
  std::vector<uint8_t> Seal(size_t leg, std::span<const uint8_t> clear) const {
    std::vector<uint8_t> body(disco::kSealedOverhead + clear.size());
    disco::Seal(keys_.endpoint.clients[leg], keys_.endpoint.shared[leg], {}, clear, body);
    return Packet(true, body);
  }

  // `challenged`: whose handshake takes the reply.
  void Handle(const Path& from, std::span<const uint8_t> packet, std::optional<size_t> challenged = std::nullopt) {
    const Verdict verdict = server_.HandlePacket(worker_, from, packet, now_, reply_);
    const relay::Endpoint& endpoint = *table_.Find(vni_);
    if (verdict.action == Verdict::Action::kForward) {
      Check(endpoint.IsOpen(), "only an open endpoint forwards");
      Check(!geneve::Parse(packet)->control, "control is never forwarded");
      Check(!relay::IsRefusedSource(verdict.to.remote), "nothing is sent to an address that is none");
    } else if (verdict.action == Verdict::Action::kReply) {
      Check(verdict.to == from, "a reply goes where the packet came from");
      Check(reply_.size <= packet.size(), "a reply is never longer than its request");
      if (challenged) {
        if (auto answer = handshakes_[*challenged]->HandlePacket(reply_.span())) answers_[*challenged] = *answer;
      }
    }
    Check(table_.open() == (endpoint.IsOpen() ? 1u : 0u), "the gauge counts open endpoints");
    Check(table_.UnboundCount(0) == 1 - table_.open(), "an endpoint is open or unbound");
  }

  void Reallocate() {
    if (vni_ != 0) table_.Remove(vni_);
    vni_ = *table_.Insert(keys_.endpoint, now_);
    for (size_t leg = 0; leg < 2; ++leg) {
      disco::ClientHandshake::Options options;
      options.self = keys_.endpoint.clients[leg];
      options.peer = keys_.endpoint.clients[1 - leg];
      options.server = keys_.server.public_key();
      options.shared = keys_.endpoint.shared[leg];
      options.vni = vni_;
      handshakes_[leg].emplace(options);
    }
  }

  const Keys& keys_;
  relay::Instant now_{std::chrono::hours(1)};
  relay::Qsbr qsbr_;
  relay::EndpointTable table_;
  relay::RelayServer server_;
  relay::Counters counters_;
  relay::WorkerContext worker_;
  relay::Reply reply_;
  uint32_t vni_ = 0;
  std::array<std::optional<disco::ClientHandshake>, 2> handshakes_;
  std::array<std::vector<uint8_t>, 2> answers_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Keys keys;
  Script script(keys);
  wire::Reader reader({data, size});
  while (reader.rest().size() >= 2) {
    const uint8_t step = reader.U8();
    const size_t wanted = reader.U8();
    const std::span<const uint8_t> content = reader.rest().first(std::min(wanted, reader.rest().size()));
    script.Step(step & 0x0f, step >> 4, content);
    reader = wire::Reader(reader.rest().subspan(content.size()));
  }
  return 0;
}
