// Why a datagram was not passed on: the `reason` label of relayd_dropped_packets_total. One list feeds the enum, the
// metric and `relayctl drops`.
#ifndef RELAYD_RELAY_CORE_DROP_REASON_H_
#define RELAYD_RELAY_CORE_DROP_REASON_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace relay {

// In the order in which a packet meets them.
enum class DropReason : uint8_t {
  // Frames, by the DPDK back end alone.
  kBadIpHeader,     // Version, header length or total length that cannot be.
  kBadIpChecksum,   // IPv4 header checksum.
  kBadUdpLength,    // UDP length below 8 or beyond the IP packet.
  kZeroChecksum,    // IPv6 with UDP checksum 0.
  kFragment,        // A fragment that nobody reassembles, or that never became whole.
  kNotLocal,        // Not the relay's, on a port that cannot give it to the kernel.
  kKernelPathFull,  // The kernel does not keep up with what is not the relay's.
  kNoMbuf,          // Out of packet buffers.
  // Datagrams.
  kBadGeneve,        // Shorter than a Geneve header.
  kUnknownVersion,   // Geneve version other than 0.
  kControlNotDisco,  // O set, protocol not Disco.
  kShort,            // Control body shorter than magic, key and nonce.
  kBadMagic,
  kRefusedSource,  // Unspecified, multicast or broadcast source, or port 0.
  kUnknownVni,
  kUnknownDiscoKey,     // The sender's key is neither of the endpoint's two.
  kControlRateLimited,  // The leg's or the worker's token bucket is empty.
  kOpenFailed,          // The box does not open.
  kBadMessage,          // Not a bind or an answer, or of a wrong length.
  kVniMismatch,         // Sealed VNI other than the header's.
  kRemoteKeyMismatch,
  kGenerationZero,
  kStaleGeneration,  // An answer that matches no handshake in progress.
  kMacMismatch,
  kNotBound,       // Data before both legs are bound.
  kUnknownSource,  // Data from an address that neither leg is bound to.
  kTooBig,         // Larger than the way out takes.
  kSendFailed,
  kTxFull,  // DPDK: the port does not send as fast as it should, and its queue is full.
};
inline constexpr size_t kDropReasonCount = static_cast<size_t>(DropReason::kTxFull) + 1;

std::string_view DropReasonName(DropReason reason);    // The label's value, e.g. "unknown_vni".
std::string_view DropReasonAdvice(DropReason reason);  // A sentence: what an operator should check.

}  // namespace relay

#endif  // RELAYD_RELAY_CORE_DROP_REASON_H_
