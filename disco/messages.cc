#include "disco/messages.h"

#include "geneve/wire.h"

namespace disco {
namespace {

using Parsed = std::variant<Message, ParseError>;

constexpr uint8_t kVersion = 0;  // Of the message layout; types 3, 7, 8 and 9 look at it on receipt.
// A RelayEndpoint without its address list.
constexpr size_t kRelayEndpointSize = 3 * kKeySize + 8 + 4 + 8 + 8;

PublicKey ReadKey(wire::Reader& reader) { return PublicKey{reader.Bytes<kKeySize>()}; }

// All that is left, which is a multiple of 18 bytes.
std::vector<AddrPort> ReadAddrPorts(wire::Reader& reader) {
  std::vector<AddrPort> out;
  out.reserve(reader.rest().size() / kWireAddrPortSize);
  while (reader.rest().size() >= kWireAddrPortSize) out.push_back(ReadAddrPort(reader));
  return out;
}

Parsed ParsePing(wire::Reader reader) {
  Ping ping;
  ping.tx_id = reader.Bytes<12>();
  if (!reader.ok()) return ParseError::kShort;
  if (reader.rest().size() >= kKeySize) ping.node_key = ReadKey(reader);
  ping.padding = static_cast<uint32_t>(reader.rest().size());
  return ping;
}

Parsed ParsePong(wire::Reader reader) {
  Pong pong;
  pong.tx_id = reader.Bytes<12>();
  pong.source = ReadAddrPort(reader);
  if (!reader.ok()) return ParseError::kShort;
  return pong;
}

Parsed ParseCallMeMaybe(wire::Reader reader, uint8_t version) {
  CallMeMaybe call;
  if (version != kVersion || reader.rest().size() % kWireAddrPortSize != 0) return call;
  call.my_number = ReadAddrPorts(reader);
  return call;
}

template <typename Bind>
Parsed ParseBind(wire::Reader reader) {
  if (reader.rest().size() < kBindCommonSize) return ParseError::kShort;
  return Bind{ReadBindCommon(reader.rest().first<kBindCommonSize>())};
}

// At least one address, and nothing behind the last (tailscale disco.UDPRelayEndpoint decode).
bool ReadRelayEndpoint(wire::Reader& reader, RelayEndpoint& out) {
  const size_t size = reader.rest().size();
  if (size < kRelayEndpointSize + kWireAddrPortSize || (size - kRelayEndpointSize) % kWireAddrPortSize != 0) {
    return false;
  }
  out.server_disco = ReadKey(reader);
  for (PublicKey& key : out.client_disco) key = ReadKey(reader);
  out.lamport_id = reader.U64();
  out.vni = reader.U32();
  out.bind_lifetime = std::chrono::nanoseconds(static_cast<int64_t>(reader.U64()));
  out.steady_state_lifetime = std::chrono::nanoseconds(static_cast<int64_t>(reader.U64()));
  out.addr_ports = ReadAddrPorts(reader);
  return true;
}

Parsed ParseCallMeMaybeVia(wire::Reader reader, uint8_t version) {
  CallMeMaybeVia via;
  if (version == kVersion && !ReadRelayEndpoint(reader, via)) return ParseError::kShort;
  return via;
}

Parsed ParseAllocateRequest(wire::Reader reader, uint8_t version) {
  AllocateUdpRelayEndpointRequest request;
  if (version != kVersion) return request;
  for (PublicKey& key : request.client_disco) key = ReadKey(reader);
  request.generation = reader.U32();
  if (!reader.ok()) return ParseError::kShort;
  return request;
}

Parsed ParseAllocateResponse(wire::Reader reader, uint8_t version) {
  AllocateUdpRelayEndpointResponse response;
  if (version != kVersion) return response;
  response.generation = reader.U32();
  if (!ReadRelayEndpoint(reader, response)) return ParseError::kShort;
  return response;
}

void WriteAddrPorts(const std::vector<AddrPort>& addrs, wire::Writer& writer) {
  for (const AddrPort& addr : addrs) WriteAddrPort(addr, writer);
}

void WriteBindCommon(const BindCommon& bind, wire::Writer& writer) {
  writer.U32(bind.vni);
  writer.U32(bind.generation);
  writer.Bytes(bind.remote_key.bytes);
  writer.Bytes(bind.challenge);
}

void WriteRelayEndpoint(const RelayEndpoint& endpoint, wire::Writer& writer) {
  writer.Bytes(endpoint.server_disco.bytes);
  for (const PublicKey& key : endpoint.client_disco) writer.Bytes(key.bytes);
  writer.U64(endpoint.lamport_id);
  writer.U32(endpoint.vni);
  writer.U64(static_cast<uint64_t>(endpoint.bind_lifetime.count()));
  writer.U64(static_cast<uint64_t>(endpoint.steady_state_lifetime.count()));
  WriteAddrPorts(endpoint.addr_ports, writer);
}

// What each message's payload takes, and how it is written: one overload a message, in the order of the types.
size_t PayloadSize(const Ping& m) { return m.tx_id.size() + (m.node_key.IsZero() ? 0 : kKeySize) + m.padding; }
size_t PayloadSize(const Pong& m) { return m.tx_id.size() + kWireAddrPortSize; }
size_t PayloadSize(const CallMeMaybe& m) { return m.my_number.size() * kWireAddrPortSize; }
size_t PayloadSize(const BindCommon&) { return kBindCommonSize; }
size_t PayloadSize(const RelayEndpoint& m) { return kRelayEndpointSize + m.addr_ports.size() * kWireAddrPortSize; }
size_t PayloadSize(const AllocateUdpRelayEndpointRequest&) { return 2 * kKeySize + 4; }
size_t PayloadSize(const AllocateUdpRelayEndpointResponse& m) {
  return 4 + PayloadSize(static_cast<const RelayEndpoint&>(m));
}

void WritePayload(const Ping& m, wire::Writer& writer) {
  writer.Bytes(m.tx_id);
  if (!m.node_key.IsZero()) writer.Bytes(m.node_key.bytes);  // The padding is there already: the buffer is all zeros.
}
void WritePayload(const Pong& m, wire::Writer& writer) {
  writer.Bytes(m.tx_id);
  WriteAddrPort(m.source, writer);
}
void WritePayload(const CallMeMaybe& m, wire::Writer& writer) { WriteAddrPorts(m.my_number, writer); }
void WritePayload(const BindCommon& m, wire::Writer& writer) { WriteBindCommon(m, writer); }
void WritePayload(const RelayEndpoint& m, wire::Writer& writer) { WriteRelayEndpoint(m, writer); }
void WritePayload(const AllocateUdpRelayEndpointRequest& m, wire::Writer& writer) {
  for (const PublicKey& key : m.client_disco) writer.Bytes(key.bytes);
  writer.U32(m.generation);
}
void WritePayload(const AllocateUdpRelayEndpointResponse& m, wire::Writer& writer) {
  writer.U32(m.generation);
  WriteRelayEndpoint(m, writer);
}

}  // namespace

Parsed Parse(std::span<const uint8_t> clear) {
  wire::Reader reader(clear);
  const MessageType type{reader.U8()};
  const uint8_t version = reader.U8();
  if (!reader.ok()) return ParseError::kShort;
  switch (type) {
    case MessageType::kPing:
      return ParsePing(reader);
    case MessageType::kPong:
      return ParsePong(reader);
    case MessageType::kCallMeMaybe:
      return ParseCallMeMaybe(reader, version);
    case MessageType::kBindUdpRelayEndpoint:
      return ParseBind<BindUdpRelayEndpoint>(reader);
    case MessageType::kBindUdpRelayEndpointChallenge:
      return ParseBind<BindUdpRelayEndpointChallenge>(reader);
    case MessageType::kBindUdpRelayEndpointAnswer:
      return ParseBind<BindUdpRelayEndpointAnswer>(reader);
    case MessageType::kCallMeMaybeVia:
      return ParseCallMeMaybeVia(reader, version);
    case MessageType::kAllocateUdpRelayEndpointRequest:
      return ParseAllocateRequest(reader, version);
    case MessageType::kAllocateUdpRelayEndpointResponse:
      return ParseAllocateResponse(reader, version);
  }
  return ParseError::kUnknownType;
}

std::vector<uint8_t> Marshal(const Message& message) {
  return std::visit(
      [&message](const auto& m) {
        std::vector<uint8_t> out(kMessageHeaderSize + PayloadSize(m));
        wire::Writer writer(out);
        writer.U8(static_cast<uint8_t>(message.index() + 1));  // The variant lists the types in their order, from 1.
        writer.U8(kVersion);
        WritePayload(m, writer);
        return out;
      },
      message);
}

BindCommon ReadBindCommon(std::span<const uint8_t, kBindCommonSize> payload) {
  wire::Reader reader(payload);
  BindCommon bind;
  bind.vni = reader.U32();
  bind.generation = reader.U32();
  bind.remote_key = ReadKey(reader);
  bind.challenge = reader.Bytes<kChallengeSize>();
  return bind;
}

void WriteBindMessage(MessageType type, const BindCommon& bind, std::span<uint8_t, kBindMessageSize> out) {
  wire::Writer writer(out);
  writer.U8(static_cast<uint8_t>(type));
  writer.U8(kVersion);
  WriteBindCommon(bind, writer);
}

void WriteFirstDialectMessage(MessageType type, const Challenge& challenge,
                              std::span<uint8_t, kFirstDialectMessageSize> out) {
  wire::Writer writer(out);
  writer.U8(static_cast<uint8_t>(type));
  writer.U8(kVersion);
  writer.Bytes(challenge);
}

}  // namespace disco
