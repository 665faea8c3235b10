#include "tests/support/relay_harness.h"

#include <cstdio>
#include <cstdlib>

namespace test {
namespace {

disco::ClientHandshake::Options HandshakeOptions(const disco::PublicKey& self, const disco::PublicKey& server,
                                                 const disco::PublicKey& peer, const disco::SharedKey& shared,
                                                 uint32_t vni, disco::Dialect dialect) {
  disco::ClientHandshake::Options options;
  options.self = self;
  options.server = server;
  options.peer = peer;
  options.shared = shared;
  options.vni = vni;
  options.dialect = dialect;
  return options;
}

}  // namespace

disco::AddrPort Addr(std::string_view text) {
  const auto addr = disco::AddrPort::Parse(text);
  if (!addr) {
    std::fprintf(stderr, "bad address in a test: %.*s\n", static_cast<int>(text.size()), text.data());
    std::abort();
  }
  return *addr;
}

Client::Client(RelayHarness& relay, disco::PrivateKey key, const disco::PublicKey& peer, uint32_t vni,
               relay::AddrPort address, disco::Dialect dialect)
    : relay_(relay),
      key_(std::move(key)),
      vni_(vni),
      shared_(*key_.Agree(relay.key.public_key())),
      handshake_(HandshakeOptions(key_.public_key(), relay.key.public_key(), peer, shared_, vni, dialect)) {
  path_.remote = address;
  path_.local_ip = Addr(address.IsIpv4() ? "198.18.0.9:1" : "[2001:db8::9]:1").ip;
  path_.local_port = 40000;
}

relay::Verdict Client::SendBind() {
  answer_.clear();
  const relay::Verdict verdict = SendRaw(handshake_.Start(relay_.now));
  if (verdict.action != relay::Verdict::Action::kReply) return verdict;
  const std::span<const uint8_t> reply = relay_.reply.span();
  if (auto answer = handshake_.HandlePacket(reply)) answer_ = *answer;
  const auto wrapper = disco::ReadWrapper(reply.subspan(geneve::kHeaderSize));
  std::array<uint8_t, 256> buffer;
  if (const auto clear = disco::Open(*wrapper, shared_, buffer); clear && clear->size() == disco::kBindMessageSize) {
    challenge_ = disco::ReadBindCommon(clear->subspan<disco::kMessageHeaderSize, disco::kBindCommonSize>());
  }
  return verdict;
}

relay::Verdict Client::SendAnswer() { return SendRaw(answer_); }

relay::Verdict Client::Bind() {
  const relay::Verdict verdict = SendBind();
  return verdict.action == relay::Verdict::Action::kReply ? SendAnswer() : verdict;
}

relay::Verdict Client::Send(std::string_view text, uint32_t packets) {
  std::vector<uint8_t> packet(geneve::kHeaderSize + text.size());
  geneve::Write({.vni = vni_, .protocol = geneve::kProtocolWireGuard, .version = 0, .control = false},
                std::span(packet).first<geneve::kHeaderSize>());
  std::copy(text.begin(), text.end(), packet.begin() + geneve::kHeaderSize);
  return relay_.Handle(path_, packet, packets);
}

relay::Verdict Client::SendRaw(std::span<const uint8_t> packet) { return relay_.Handle(path_, packet); }

relay::Verdict Client::SendSealed(std::span<const uint8_t> clear) {
  std::vector<uint8_t> packet(geneve::kHeaderSize + disco::kSealedOverhead + clear.size());
  geneve::Write({.vni = vni_, .protocol = geneve::kProtocolDisco, .version = 0, .control = true},
                std::span(packet).first<geneve::kHeaderSize>());
  disco::Seal(key_.public_key(), shared_, disco::RandomNonce(), clear, std::span(packet).subspan(geneve::kHeaderSize));
  return SendRaw(packet);
}

relay::Verdict Client::SendBindMessage(disco::MessageType type, const disco::BindCommon& bind) {
  std::array<uint8_t, disco::kBindMessageSize> clear;
  disco::WriteBindMessage(type, bind, clear);
  return SendSealed(clear);
}

RelayHarness::RelayHarness(relay::RelayServer::Options options, uint32_t max_endpoints)
    : key((disco::InitCrypto(), disco::PrivateKey::Generate())),
      qsbr(1),
      table(max_endpoints, qsbr),
      server(table, key.public_key(), relay::ServerCrypto::Production(), options) {
  worker.counters = &counters;
  qsbr.Register(0);
}

std::pair<Client, Client> RelayHarness::AllocatePair(disco::Dialect dialect) {
  disco::PrivateKey a = disco::PrivateKey::Generate();
  disco::PrivateKey b = disco::PrivateKey::Generate();
  if (b.public_key() < a.public_key()) std::swap(a, b);
  const disco::PublicKey a_public = a.public_key();
  const disco::PublicKey b_public = b.public_key();
  relay::EndpointTable::NewEndpoint endpoint;
  endpoint.clients = {a_public, b_public};
  endpoint.shared = {*key.Agree(a_public), *key.Agree(b_public)};
  endpoint.lamport_id = ++lamport_;
  const auto vni = table.Insert(endpoint, now);
  if (!vni) std::abort();
  return {Client(*this, std::move(a), b_public, *vni, Addr("198.18.0.1:1001"), dialect),
          Client(*this, std::move(b), a_public, *vni, Addr(second_client), dialect)};
}

relay::Verdict RelayHarness::Handle(const relay::Path& from, std::span<const uint8_t> packet, uint32_t packets) {
  qsbr.Online(worker.id);
  const relay::Verdict verdict =
      server.Decide(worker, relay::RelayServer::Parse(packet), from, packet, packets, now, reply);
  qsbr.Offline(worker.id);
  return verdict;
}

}  // namespace test
