#include "relay/dataplane/ancillary.h"

#include <linux/udp.h>

#include <algorithm>
#include <cstring>

namespace relay {

namespace {

constexpr size_t kMappedPrefix = 12;  // ::ffff:0:0/96.

template <typename T>
T Data(const cmsghdr* header) {
  T value;
  std::memcpy(&value, CMSG_DATA(header), sizeof(value));
  return value;
}

void SetMapped(const in_addr& v4, std::array<uint8_t, 16>& out) {
  out = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  std::memcpy(out.data() + kMappedPrefix, &v4, sizeof(v4));
}

// Puts one control message at `offset` of `out` and returns the offset behind it.
template <typename T>
void Put(int level, int type, const T& value, SendControl& out, msghdr& message) {
  const size_t offset = message.msg_control == nullptr ? 0 : CMSG_ALIGN(message.msg_controllen);
  auto* const header = reinterpret_cast<cmsghdr*>(out.bytes.data() + offset);
  header->cmsg_level = level;
  header->cmsg_type = type;
  header->cmsg_len = CMSG_LEN(sizeof(value));
  std::memcpy(CMSG_DATA(header), &value, sizeof(value));
  message.msg_control = out.bytes.data();
  // Without the padding behind the last one: up to 36 bytes the kernel keeps on its stack (____sys_sendmsg).
  message.msg_controllen = offset + CMSG_LEN(sizeof(value));
}

bool IsLinkLocalIpv6(const std::array<uint8_t, 16>& ip) { return ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80; }

}  // namespace

socklen_t WriteAddress(const AddrPort& to, SocketAddress& out) {
  if (to.IsIpv4()) {
    out.v4 = {};
    out.v4.sin_family = AF_INET;
    out.v4.sin_port = htons(to.port);
    std::memcpy(&out.v4.sin_addr, to.ip.data() + kMappedPrefix, sizeof(out.v4.sin_addr));
    return sizeof(out.v4);
  }
  out.v6 = {};
  out.v6.sin6_family = AF_INET6;
  out.v6.sin6_port = htons(to.port);
  out.v6.sin6_scope_id = to.scope;
  std::memcpy(&out.v6.sin6_addr, to.ip.data(), to.ip.size());
  return sizeof(out.v6);
}

AddrPort ReadAddress(const SocketAddress& address) {
  AddrPort out;
  if (address.any.sa_family == AF_INET) {
    SetMapped(address.v4.sin_addr, out.ip);
    out.port = ntohs(address.v4.sin_port);
  } else {
    std::memcpy(out.ip.data(), &address.v6.sin6_addr, out.ip.size());
    out.scope = address.v6.sin6_scope_id;
    out.port = ntohs(address.v6.sin6_port);
  }
  return out;
}

uint32_t ReadControl(const msghdr& message, Path& from) {
  uint32_t gro_size = 0;
  auto* const mutable_message = const_cast<msghdr*>(&message);  // CMSG_NXTHDR takes no const.
  for (const cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr;
       c = CMSG_NXTHDR(mutable_message, const_cast<cmsghdr*>(c))) {
    if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      const auto info = Data<in6_pktinfo>(c);  // Of IPv4 too, on a dual-stack socket.
      std::memcpy(from.local_ip.data(), &info.ipi6_addr, from.local_ip.size());
      if (!IN6_IS_ADDR_V4MAPPED(&info.ipi6_addr)) from.interface = info.ipi6_ifindex;
    } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      const auto info = Data<in_pktinfo>(c);
      SetMapped(info.ipi_addr, from.local_ip);
    } else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
      gro_size = static_cast<uint32_t>(std::max(Data<int>(c), 0));
    }
  }
  // A group or broadcast address was hit: nobody may answer from that, so routing will choose.
  if (const AddrPort hit{.ip = from.local_ip}; hit.IsMulticast() || hit.IsBroadcast()) from.local_ip = {};
  return gro_size;
}

void WriteSource(const Path& to, SendControl& out, msghdr& message) {
  message.msg_control = nullptr;
  message.msg_controllen = 0;
  if (to.local_ip == std::array<uint8_t, 16>{}) return;
  if (to.IsIpv4()) {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, to.local_ip.data() + kMappedPrefix, sizeof(info.ipi_spec_dst));
    Put(IPPROTO_IP, IP_PKTINFO, info, out, message);
  } else {
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, to.local_ip.data(), to.local_ip.size());
    info.ipi6_ifindex = IsLinkLocalIpv6(to.local_ip) ? to.interface : 0;
    Put(IPPROTO_IPV6, IPV6_PKTINFO, info, out, message);
  }
}

void WriteSegmentSize(uint16_t segment_size, SendControl& out, msghdr& message) {
  Put(IPPROTO_UDP, UDP_SEGMENT, segment_size, out, message);
}

}  // namespace relay
