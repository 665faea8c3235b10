#include "relay/core/drop_reason.h"

namespace relay {
namespace {

struct Text {
  std::string_view name;
  std::string_view advice;
};

// In the enum's order.
constexpr std::array<Text, kDropReasonCount> kTexts = {{
    {"bad_ip_header", "Frames whose IP header cannot be right: a faulty sender or link."},
    {"bad_ip_checksum", "IPv4 headers with a wrong checksum: a faulty link, or an offload that was not done."},
    {"bad_udp_length", "UDP lengths that do not fit their IP packet: faulty or hostile senders."},
    {"zero_checksum", "IPv6 datagrams without the UDP checksum that IPv6 demands: faulty senders."},
    {"fragment",
     "Fragments that did not become whole: lower the tunnel's MTU, or let the kernel make them whole "
     "(--kernel_path=tap)."},
    {"not_local",
     "Packets for other addresses than relayd's, on a port without a way to the kernel: check --local_addrs "
     "and --kernel_path."},
    {"kernel_path_full",
     "The kernel does not keep up with traffic that is not the relay's: scans or a flood beside it."},
    {"no_mbuf", "Out of packet buffers: raise --mbufs."},
    {"bad_geneve", "Datagrams too short for a Geneve header: port scans or another protocol on this port."},
    {"unknown_version", "Geneve version other than 0: not a relay client, or a newer protocol than this relay's."},
    {"control_not_disco", "Control packets of a protocol other than Disco: something that is not a relay client."},
    {"short", "Control packets too short to hold a Disco message: scans or truncated packets; check the path's MTU."},
    {"bad_magic", "Control packets that are not Disco: scans, or something else that speaks Geneve to this port."},
    {"refused_source", "Sources that cannot be answered (unspecified, multicast, broadcast, port 0): spoofed packets."},
    {"unknown_vni",
     "VNIs that are not allocated (any more): clients that outlived their endpoint; check lifetimes and "
     "whether relayd was restarted."},
    {"unknown_disco_key",
     "Handshakes by a key that the endpoint was not allocated for: check that both sides and the "
     "control plane agree on the keys."},
    {"control_rate_limited",
     "Handshakes over the leg's or the worker's rate: a client in a loop or an attack; see "
     "--control_rate."},
    {"open_failed",
     "Handshakes that do not decrypt: the client holds another ServerDisco, from before a restart perhaps."},
    {"bad_message",
     "Sealed messages other than a bind or an answer, or the first dialect while --first_dialect=false."},
    {"vni_mismatch", "Sealed VNI other than the header's: a faulty client or tampering."},
    {"remote_key_mismatch", "Handshakes that name another peer than the endpoint's: the client mixes up endpoints."},
    {"generation_zero", "Handshakes of generation 0: a faulty client."},
    {"stale_generation", "Answers that match no handshake in progress: duplicates and late packets; many mean loss."},
    {"mac_mismatch", "Answers with a wrong challenge: the client's address changed in mid-handshake, or spoofing."},
    {"not_bound", "Data before both clients have bound: normal for seconds, else the other client cannot reach us."},
    {"unknown_source", "Data from an address that is not bound: a client roamed without a new handshake, or spoofing."},
    {"too_big", "Datagrams larger than the way out takes: lower the tunnel's MTU."},
    {"send_failed", "The kernel refused to send: look at routes, firewall and socket buffers of this host."},
    {"tx_full", "A DPDK port's transmit queue is full: the link is saturated, or down; see --tx_descriptors."},
}};

}  // namespace

std::string_view DropReasonName(DropReason reason) { return kTexts[static_cast<size_t>(reason)].name; }
std::string_view DropReasonAdvice(DropReason reason) { return kTexts[static_cast<size_t>(reason)].advice; }

}  // namespace relay
