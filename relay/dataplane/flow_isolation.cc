#include "relay/dataplane/flow_isolation.h"

#include <arpa/inet.h>
#include <rte_ethdev.h>
#include <rte_flow.h>

#include <numeric>
#include <vector>

#include "absl/strings/str_cat.h"

namespace relay {
namespace {

std::string Reason(int error_number, const rte_flow_error& error) {
  const char* const number = rte_strerror(error_number < 0 ? -error_number : error_number);
  return error.message == nullptr ? number : absl::StrCat(error.message, " (", number, ")");
}

// Two patterns a family: drivers differ in whether one without a VLAN matches tagged frames.
std::vector<rte_flow_item> Pattern(rte_flow_item_type ip, bool vlan, const rte_flow_item_udp& spec,
                                   const rte_flow_item_udp& mask) {
  std::vector<rte_flow_item> items;
  const auto add = [&](rte_flow_item_type type) {
    items.push_back({.type = type, .spec = nullptr, .last = nullptr, .mask = nullptr});
  };
  add(RTE_FLOW_ITEM_TYPE_ETH);
  if (vlan) add(RTE_FLOW_ITEM_TYPE_VLAN);
  add(ip);
  add(RTE_FLOW_ITEM_TYPE_UDP);
  items.back().spec = &spec;
  items.back().mask = &mask;
  add(RTE_FLOW_ITEM_TYPE_END);
  return items;
}

}  // namespace

absl::Status IsolatePort(uint16_t port) {
  rte_flow_error error{};
  const int result = rte_flow_isolate(port, 1, &error);
  if (result == 0) return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat("--flow_isolate: ", Reason(result, error)));
}

absl::Status AddRelayFlows(uint16_t port, uint16_t udp_port, uint16_t queues) {
  rte_flow_item_udp spec{};
  rte_flow_item_udp mask{};
  spec.hdr.dst_port = htons(udp_port);
  mask.hdr.dst_port = 0xffff;
  std::vector<uint16_t> all(queues);
  std::iota(all.begin(), all.end(), uint16_t{0});
  const rte_flow_action_queue queue{.index = 0};
  for (const bool vlan : {false, true}) {
    for (const rte_flow_item_type ip : {RTE_FLOW_ITEM_TYPE_IPV4, RTE_FLOW_ITEM_TYPE_IPV6}) {
      rte_flow_action_rss rss{};
      rss.types = ip == RTE_FLOW_ITEM_TYPE_IPV4 ? RTE_ETH_RSS_NONFRAG_IPV4_UDP : RTE_ETH_RSS_NONFRAG_IPV6_UDP;
      rss.queue_num = queues;
      rss.queue = all.data();
      const rte_flow_action to_queue{.type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &queue};
      const rte_flow_action to_all{.type = RTE_FLOW_ACTION_TYPE_RSS, .conf = &rss};
      const rte_flow_action actions[] = {queues == 1 ? to_queue : to_all,
                                         {.type = RTE_FLOW_ACTION_TYPE_END, .conf = nullptr}};
      const std::vector<rte_flow_item> pattern = Pattern(ip, vlan, spec, mask);
      rte_flow_attr attributes{};
      attributes.ingress = 1;
      rte_flow_error error{};
      if (rte_flow_create(port, &attributes, pattern.data(), actions, &error) != nullptr || vlan) continue;
      return absl::UnimplementedError(absl::StrCat("--flow_isolate: no rule for ",
                                                   ip == RTE_FLOW_ITEM_TYPE_IPV4 ? "IPv4" : "IPv6", ": ",
                                                   Reason(rte_errno, error)));
    }
  }
  return absl::OkStatus();
}

}  // namespace relay
