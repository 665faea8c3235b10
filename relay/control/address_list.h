// The addresses that clients are told: found on the machine's interfaces, or given by the operator.
#ifndef RELAYD_RELAY_CONTROL_ADDRESS_LIST_H_
#define RELAYD_RELAY_CONTROL_ADDRESS_LIST_H_

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "disco/addr_port.h"

namespace relay {

using disco::AddrPort;

// Of `addresses` those that a client may be told, each once, with `port`, in one fixed order (IPv4 first, then by
// value): unicast and not link-local; IPv6 only with `ipv6`; loopback only when nothing else is left.
std::vector<AddrPort> SelectAddresses(std::span<const AddrPort> addresses, uint16_t port, bool ipv6);

// SelectAddresses of all interfaces that are up: about 0.1 ms, so that it can be called every few seconds. An error if
// the system does not tell them.
absl::StatusOr<std::vector<AddrPort>> DiscoverAddresses(uint16_t port, bool ipv6);

// `192.0.2.1:40000,[2001:db8::1]:40000`: at least one, in the order given, repetitions left out. An error says in one
// line which entry is wrong and why.
absl::StatusOr<std::vector<AddrPort>> ParseAddressList(std::string_view list);

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_ADDRESS_LIST_H_
