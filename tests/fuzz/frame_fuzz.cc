// Whole frames: parsed, decided by the core, written again towards everybody; and "too big" answered to all of them.
//
// The first byte says how the port is (bit 0: the NIC has verified IPv4 header checksums), the rest is the frame.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "disco/client_handshake.h"
#include "relay/core/relay_server.h"
#include "relay/dataplane/frame.h"
#include "relay/dataplane/icmp.h"
#include "tests/fuzz/check.h"
#include "tests/support/frame_checker.h"
#include "tests/support/packet_builder.h"

namespace {

using fuzz::Check;
using relay::Frame;
using relay::Path;
using relay::Verdict;
using test::Bytes;
using test::Seen;

constexpr relay::MacAddress kOwn = test::kRelayMac;
constexpr uint16_t kLinkPort = 1;

disco::PrivateKey KeyOf(uint8_t seed) {
  std::array<uint8_t, disco::kKeySize> bytes;
  bytes.fill(seed);
  return disco::PrivateKey::FromBytes(bytes);
}

Path PathOf(const char* client, const char* ours, uint16_t vlan) {
  Path path;
  path.remote = test::AddrOf(client);
  path.local_ip = test::AddrOf(ours).ip;
  path.local_port = test::kRelayPort;
  path.link = {.port = kLinkPort, .vlan = vlan, .mac = test::kClientMac};
  return path;
}

// A relay with one endpoint, VNI 1, that an IPv4 and an IPv6 client are bound to.
class World {
 public:
  World() : qsbr_(1), table_(2, qsbr_), server_(table_, server_key_.public_key(), Crypto(), {}) {
    worker_.counters = &counters_;
    disco::PrivateKey a = KeyOf(2);
    disco::PrivateKey b = KeyOf(3);
    if (b.public_key() < a.public_key()) std::swap(a, b);
    relay::EndpointTable::NewEndpoint endpoint;
    endpoint.clients = {a.public_key(), b.public_key()};
    endpoint.shared = {*server_key_.Agree(a.public_key()), *server_key_.Agree(b.public_key())};
    const uint32_t vni = *table_.Insert(endpoint, now_);
    Check(vni == 1, "the corpus has VNI 1");
    for (size_t leg = 0; leg < 2; ++leg) Bind(endpoint, leg, vni);
  }

  Verdict Decide(const Path& from, std::span<const uint8_t> packet) {
    return server_.HandlePacket(worker_, from, packet, now_, reply_);
  }
  const relay::Reply& reply() const { return reply_; }

  const std::array<Path, 2> clients = {PathOf(test::kClient4, test::kRelay4, 0),
                                       PathOf(test::kClient6, test::kRelay6, 5)};
  const relay::AddressSet ours{
      std::vector<relay::IpBytes>{clients[0].local_ip, clients[1].local_ip, test::AddrOf("[fe80::fe]:1").ip}};

 private:
  static relay::ServerCrypto Crypto() {
    disco::InitCrypto();
    relay::ServerCrypto crypto = relay::ServerCrypto::Production();
    crypto.nonce = [] { return disco::Nonce{}; };
    return crypto;
  }
  void Bind(const relay::EndpointTable::NewEndpoint& endpoint, size_t leg, uint32_t vni) {
    disco::ClientHandshake::Options options;
    options.self = endpoint.clients[leg];
    options.peer = endpoint.clients[1 - leg];
    options.server = server_key_.public_key();
    options.shared = endpoint.shared[leg];
    options.vni = vni;
    disco::ClientHandshake handshake(options);
    Decide(clients[leg], handshake.Start(now_));
    const auto answer = handshake.HandlePacket(reply_.span());
    Check(answer.has_value(), "the challenge is understood");
    Check(Decide(clients[leg], *answer).action == Verdict::Action::kAccepted, "the answer is accepted");
  }

  const disco::PrivateKey server_key_ = KeyOf(1);
  const relay::Instant now_{std::chrono::hours(1)};
  relay::Qsbr qsbr_;
  relay::EndpointTable table_;
  relay::RelayServer server_;
  relay::Counters counters_;
  relay::WorkerContext worker_;
  relay::Reply reply_;
};

// What is sent to `to` is, for whoever is there, a datagram to it from us.
void CheckArrives(const Bytes& written, const Path& to, size_t udp_bytes) {
  const relay::AddressSet theirs(std::vector<relay::IpBytes>{to.remote.ip});
  Frame back;
  relay::FrameContext context;
  context.udp_port = to.remote.port;
  context.Use(theirs);
  relay::ParseFrame(written, written.size(), context, back);
  Check(back.fate == Frame::Fate::kRelay, "what was written parses again");
  Check(back.from.remote.ip == to.local_ip && back.from.remote.port == to.local_port, "it comes from us");
  Check(back.from.local_ip == to.remote.ip, "it goes to them");
  Check(back.from.link.mac == kOwn && back.from.link.vlan == to.link.vlan, "by the way that it should");
  Check(back.udp_bytes == udp_bytes, "UDP's length stays");
}

void CheckForwarded(std::span<const uint8_t> frame, const Frame& in, const Path& to) {
  const Bytes written = test::Rewritten(frame, in, to, kOwn);
  CheckArrives(written, to, in.udp_bytes);
  const Seen out = test::Inspect(written);
  Check(out.error.empty(), "what was written is right");
  Check(out.ttl == 64 && out.traffic_class == in.ecn && out.padding == 0, "headers are new");
  Check(std::ranges::equal(out.payload, frame.subspan(in.udp_offset + 8u, in.udp_bytes - 8u)), "the payload stays");
  const Seen before = test::Inspect(frame);
  if (before.error.empty()) Check(out.udp_error == before.udp_error, "a checksum stays as right as it was");
}

void CheckReply(const relay::Reply& reply, const Path& to) {
  Bytes written(relay::OuterBytes(to) + relay::kUdpBytes);
  relay::WriteOwnOuter(to, kOwn, reply.size, written.data());
  written.insert(written.end(), reply.span().begin(), reply.span().end());
  const std::span<uint8_t> udp = std::span(written).subspan(relay::OuterBytes(to));
  const uint16_t checksum =
      relay::ChecksumOf(relay::PseudoHeaderSum(to, udp.size()), __builtin_bswap16(test::InternetSum(udp)));
  std::memcpy(&udp[6], &checksum, sizeof(checksum));
  CheckArrives(written, to, udp.size());
  const Seen out = test::Inspect(written);
  Check(out.error.empty() && out.udp_checksum != 0 && out.udp_error == 0, "a reply is right");
}

void CheckTooBig(std::span<const uint8_t> frame, const Frame& in, const Path& to, uint16_t out_mtu) {
  const uint16_t mtu = relay::TooBigMtu(in, out_mtu, to);
  Check(mtu >= (in.ipv4 ? 68 : 1280), "no MTU is told that no link has");
  Bytes answer(relay::kMaxTooBigBytes);
  answer.resize(relay::WriteTooBig(in, frame, mtu, kOwn, answer));
  if (answer.empty()) return;
  Check(!relay::IsRefusedSource(in.from.remote), "only a host is answered");
  const Seen out = test::Inspect(answer);
  Check(out.error.empty() && out.icmp_error == 0 && out.protocol == (in.ipv4 ? 1 : 58), "ICMP is right");
  Check(out.from.ip == in.from.local_ip && out.to.ip == in.from.remote.ip, "from what was hit to the sender");
  Check(out.ip_payload.size() + out.ip_header_bytes <= (in.ipv4 ? 576u : 1280u), "ICMP is short");
  Check(out.ip_payload.size() >= 8u + (in.udp_offset - in.ip_offset) + 8u, "the headers are quoted");
  Check(std::equal(out.ip_payload.begin() + 8, out.ip_payload.end(), frame.begin() + in.ip_offset), "as they came");
}

// A context that has seen our IPv4 address parses usual frames straight through (usual_frame.h): to the same end.
void CheckTheUsualWay(std::span<const uint8_t> head, size_t frame_bytes, const relay::FrameContext& fresh,
                      const Frame& in) {
  relay::FrameContext context = fresh;
  Check(context.IsOurs(test::AddrOf(test::kRelay4).ip), "our address is ours");
  Frame out;
  relay::ParseFrame(head, frame_bytes, context, out);
  Check(out.fate == in.fate, "the same fate");
  Check(out.fate != Frame::Fate::kDrop || out.reason == in.reason, "for the same reason");
  if (out.fate != Frame::Fate::kRelay) return;
  Check(out.from == in.from, "from the same place");
  Check(out.ipv4 == in.ipv4 && out.ecn == in.ecn && out.ip_offset == in.ip_offset && out.udp_offset == in.udp_offset &&
            out.udp_bytes == in.udp_bytes && out.address_sum == in.address_sum && out.udp_checksum == in.udp_checksum,
        "the same fields");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static World world;
  if (size == 0) return 0;
  const std::span<const uint8_t> frame(data + 1, size - 1);
  // Exactly what may be looked at.
  const size_t head_bytes = std::min(frame.size(), relay::kMaxHeaderBytes);
  const std::unique_ptr<uint8_t[]> head(new uint8_t[head_bytes]);
  std::copy_n(frame.begin(), head_bytes, head.get());
  Frame in;
  relay::FrameContext context;
  context.udp_port = test::kRelayPort;
  context.link_port = kLinkPort;
  context.interface = 3;
  context.checksum_good = (data[0] & 1) != 0;
  context.Use(world.ours);
  const relay::FrameContext fresh = context;  // Remembers nothing of other frames: parses all of them the general way.
  relay::ParseFrame({head.get(), head_bytes}, frame.size(), context, in);
  CheckTheUsualWay({head.get(), head_bytes}, frame.size(), fresh, in);
  if (in.fate != Frame::Fate::kRelay) return 0;
  Check(size_t{in.udp_offset} + in.udp_bytes <= frame.size(), "a datagram lies within its frame");
  for (const Path& client : world.clients) {
    CheckForwarded(frame, in, client);
    for (const uint16_t mtu : {0, 1280, 1500, 65535}) CheckTooBig(frame, in, client, mtu);
  }
  const Verdict verdict = world.Decide(in.from, frame.subspan(in.udp_offset + 8u, in.udp_bytes - 8u));
  if (verdict.action == Verdict::Action::kForward) CheckForwarded(frame, in, verdict.to);
  if (verdict.action == Verdict::Action::kReply) CheckReply(world.reply(), verdict.to);
  return 0;
}
