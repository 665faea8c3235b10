// Socket addresses and control messages of UDP sockets, to and from Path: the one place that knows their layout.
#ifndef RELAYD_RELAY_DATAPLANE_ANCILLARY_H_
#define RELAYD_RELAY_DATAPLANE_ANCILLARY_H_

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>

#include "relay/core/path.h"

namespace relay {

union SocketAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

// Writes `to` as its own family has it, which dual-stack sockets take too; returns the length in use.
socklen_t WriteAddress(const AddrPort& to, SocketAddress& out);
// IPv4 becomes v4-mapped; a link-local IPv6 address keeps its scope.
AddrPort ReadAddress(const SocketAddress& address);

// Room for what a receive brings: UDP_GRO and one of the two PKTINFOs.
struct ReceiveControl {
  alignas(cmsghdr) std::array<uint8_t, CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(in6_pktinfo))> bytes;
};

// Reads what recvmsg left in `message`: returns the size of a train's segments, or 0 where it is none, and sets
// `from`'s local_ip and interface.
uint32_t ReadControl(const msghdr& message, Path& from);

// Room for what a send takes along: the source address, then the segment size.
struct SendControl {
  alignas(cmsghdr) std::array<uint8_t, CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t))> bytes;
};

// Makes `message` leave from to.local_ip, if that is known; `out` stays the message's. The interface is left to
// routing, but for a link-local IPv6 source, which says nothing without it.
void WriteSource(const Path& to, SendControl& out, msghdr& message);
// After WriteSource: makes `message` a train of `segment_size` (UDP_SEGMENT).
void WriteSegmentSize(uint16_t segment_size, SendControl& out, msghdr& message);

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_ANCILLARY_H_
