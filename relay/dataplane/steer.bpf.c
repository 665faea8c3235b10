// The XDP program of an AF_XDP port: what is the relay's goes to relayd's socket on the receive queue, all else to the
// kernel as if we were not there. Built with `clang -target bpf`; steer_object.cc writes the port into it.
// libbpf's headers stand on the first of these.
// clang-format off
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
// clang-format on

#define QUEUES 256             // More receive queues than that: what they receive is the kernel's.
#define IPV4_FRAGMENT 0x3fffU  // "More fragments", or an offset.

struct vlan_tag {
  __be16 tci;
  __be16 inner_proto;
};

// DPDK's driver looks for it by this name.
struct {
  __uint(type, BPF_MAP_TYPE_XSKMAP);
  __uint(max_entries, QUEUES);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, sizeof(__u32));
} xsks_map SEC(".maps");

// An immediate of the program, which is patched before it is loaded; the compiler must not know its value.
static __always_inline __u32 relay_port(void) {
  __u32 port;
  asm volatile("%0 = 0x7e1a90f7" : "=r"(port));
  return port;
}

SEC("xdp")
int steer(struct xdp_md* frame) {
  const void* end = (const void*)(long)frame->data_end;
  const struct ethhdr* eth = (const void*)(long)frame->data;
  if ((const void*)(eth + 1) > end) return XDP_PASS;
  __be16 proto = eth->h_proto;
  const void* network = eth + 1;
  if (proto == bpf_htons(ETH_P_8021Q)) {
    const struct vlan_tag* tag = network;
    if ((const void*)(tag + 1) > end) return XDP_PASS;
    proto = tag->inner_proto;
    network = tag + 1;
  }

  const struct udphdr* udp;
  if (proto == bpf_htons(ETH_P_IP)) {
    const struct iphdr* ip = network;
    if ((const void*)(ip + 1) > end || ip->version != 4 || ip->ihl < 5 || ip->protocol != IPPROTO_UDP) return XDP_PASS;
    // Every fragment, the first one included: the kernel makes them whole, and it takes all of them.
    if (ip->frag_off & bpf_htons(IPV4_FRAGMENT)) return XDP_PASS;
    udp = network + ip->ihl * 4;
  } else if (proto == bpf_htons(ETH_P_IPV6)) {
    const struct ipv6hdr* ip = network;
    // Extension headers (fragments among them) are the kernel's.
    if ((const void*)(ip + 1) > end || ip->version != 6 || ip->nexthdr != IPPROTO_UDP) return XDP_PASS;
    udp = (const void*)(ip + 1);
  } else {
    return XDP_PASS;
  }
  if ((const void*)(udp + 1) > end || bpf_ntohs(udp->dest) != relay_port()) return XDP_PASS;
  // A queue without a socket of ours: the kernel has sockets on that port, too.
  return bpf_redirect_map(&xsks_map, frame->rx_queue_index, XDP_PASS);
}
