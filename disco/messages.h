// All nine Disco messages: the clear text inside a packet's box. Type (1), version (1), then the payload; integers are
// big-endian. docs/PROTOCOL.md has every byte.
//
// Version is written 0. On receipt it is ignored for types 1, 2, 4, 5 and 6; the other types with another version parse
// to a zero value. Trailing bytes are accepted, except where an address list ends the message: type 3 with a length
// that is no multiple of 18 gives an empty list, 7 and 9 an error (tailscale disco.Parse).
#ifndef RELAYD_DISCO_MESSAGES_H_
#define RELAYD_DISCO_MESSAGES_H_

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "disco/addr_port.h"
#include "disco/key.h"

namespace disco {

enum class MessageType : uint8_t {
  kPing = 1,
  kPong = 2,
  kCallMeMaybe = 3,
  kBindUdpRelayEndpoint = 4,
  kBindUdpRelayEndpointChallenge = 5,
  kBindUdpRelayEndpointAnswer = 6,
  kCallMeMaybeVia = 7,
  kAllocateUdpRelayEndpointRequest = 8,
  kAllocateUdpRelayEndpointResponse = 9,
};

inline constexpr size_t kMessageHeaderSize = 2;
inline constexpr size_t kChallengeSize = 32;
using Challenge = std::array<uint8_t, kChallengeSize>;
using TxId = std::array<uint8_t, 12>;

struct Ping {
  TxId tx_id{};
  PublicKey node_key;    // Zero where the sender left it out.
  uint32_t padding = 0;  // Bytes of zeros behind it, for path MTU discovery.
  friend bool operator==(const Ping&, const Ping&) = default;
};

struct Pong {
  TxId tx_id{};
  AddrPort source;  // Where the ping came from.
  friend bool operator==(const Pong&, const Pong&) = default;
};

struct CallMeMaybe {
  std::vector<AddrPort> my_number;
  friend bool operator==(const CallMeMaybe&, const CallMeMaybe&) = default;
};

// The payload that bind, challenge and answer share.
struct BindCommon {
  uint32_t vni = 0;
  uint32_t generation = 0;  // Never 0 in a valid one.
  PublicKey remote_key;     // The *other* client's.
  Challenge challenge{};
  friend bool operator==(const BindCommon&, const BindCommon&) = default;
};
inline constexpr size_t kBindCommonSize = 72;
struct BindUdpRelayEndpoint : BindCommon {};
struct BindUdpRelayEndpointChallenge : BindCommon {};
struct BindUdpRelayEndpointAnswer : BindCommon {};

// What a relay tells of an endpoint, in types 7 and 9.
struct RelayEndpoint {
  PublicKey server_disco;
  std::array<PublicKey, 2> client_disco;
  uint64_t lamport_id = 0;
  uint32_t vni = 0;
  std::chrono::nanoseconds bind_lifetime{0};
  std::chrono::nanoseconds steady_state_lifetime{0};
  std::vector<AddrPort> addr_ports;
  friend bool operator==(const RelayEndpoint&, const RelayEndpoint&) = default;
};
struct CallMeMaybeVia : RelayEndpoint {};

struct AllocateUdpRelayEndpointRequest {
  std::array<PublicKey, 2> client_disco;
  uint32_t generation = 0;
  friend bool operator==(const AllocateUdpRelayEndpointRequest&, const AllocateUdpRelayEndpointRequest&) = default;
};

struct AllocateUdpRelayEndpointResponse : RelayEndpoint {
  uint32_t generation = 0;
  friend bool operator==(const AllocateUdpRelayEndpointResponse&, const AllocateUdpRelayEndpointResponse&) = default;
};

using Message = std::variant<Ping, Pong, CallMeMaybe, BindUdpRelayEndpoint, BindUdpRelayEndpointChallenge,
                             BindUdpRelayEndpointAnswer, CallMeMaybeVia, AllocateUdpRelayEndpointRequest,
                             AllocateUdpRelayEndpointResponse>;

enum class ParseError : uint8_t { kShort, kUnknownType };

// `clear` is the opened box. Never throws on any bytes; a list's memory is bounded by the message's own length.
std::variant<Message, ParseError> Parse(std::span<const uint8_t> clear);

// Appends type, version 0 and payload.
std::vector<uint8_t> Marshal(const Message& message);

// The relay's own messages, without the heap, for the packet path. `type` is one of the three binds; the payload is
// exactly 72 bytes here, so the whole clear text is 74.
inline constexpr size_t kBindMessageSize = kMessageHeaderSize + kBindCommonSize;
BindCommon ReadBindCommon(std::span<const uint8_t, kBindCommonSize> payload);
void WriteBindMessage(MessageType type, const BindCommon& bind, std::span<uint8_t, kBindMessageSize> out);

// The first dialect (2025-03): 32 bytes in place of the 72 (zeros, challenge, answer).
inline constexpr size_t kFirstDialectPayloadSize = 32;
inline constexpr size_t kFirstDialectMessageSize = kMessageHeaderSize + kFirstDialectPayloadSize;
void WriteFirstDialectMessage(MessageType type, const Challenge& challenge,
                              std::span<uint8_t, kFirstDialectMessageSize> out);

}  // namespace disco

#endif  // RELAYD_DISCO_MESSAGES_H_
