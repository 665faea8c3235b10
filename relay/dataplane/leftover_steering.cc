#include "relay/dataplane/leftover_steering.h"

#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "relay/dataplane/netlink.h"

namespace relay {
namespace {

constexpr std::string_view kProgramName = "steer";  // As in steer.bpf.c.

struct Attached {
  uint32_t program = 0;
  uint32_t flags = 0;  // To take it off again: how it is attached.
};

std::optional<Attached> ReadAttached(uint32_t interface) {
  std::optional<Attached> found;
  const ifinfomsg all{};
  const absl::Status status =
      netlink::Dump(RTM_GETLINK, RTM_NEWLINK, netlink::BytesOf(all), [&](netlink::Payload payload) {
        const auto link = netlink::ReadHeader<ifinfomsg>(payload);
        if (!link || static_cast<uint32_t>(link->first.ifi_index) != interface) return;
        const netlink::Payload xdp = netlink::Attribute(link->second, IFLA_XDP);
        const auto program = netlink::Read<uint32_t>(netlink::Attribute(xdp, IFLA_XDP_PROG_ID));
        const auto mode = netlink::Read<uint8_t>(netlink::Attribute(xdp, IFLA_XDP_ATTACHED));
        if (!program || !mode) return;
        found =
            Attached{.program = *program, .flags = *mode == XDP_ATTACHED_SKB ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE};
      });
  return status.ok() ? found : std::nullopt;
}

bool Bpf(bpf_cmd command, bpf_attr& attr, int* result = nullptr) {
  const long returned = syscall(SYS_bpf, command, &attr, sizeof(attr));
  if (result != nullptr) *result = static_cast<int>(returned);
  return returned >= 0;
}

bool ReadInfo(int fd, bpf_prog_info& info) {
  bpf_attr attr{};
  attr.info.bpf_fd = static_cast<uint32_t>(fd);
  attr.info.info_len = sizeof(info);
  attr.info.info = reinterpret_cast<uint64_t>(&info);
  return Bpf(BPF_OBJ_GET_INFO_BY_FD, attr);
}

// Whether the program has the port among its constants, where steer_object.cc writes it.
bool Steers(int fd, uint16_t udp_port) {
  bpf_prog_info info{};
  if (!ReadInfo(fd, info) || kProgramName != info.name) return false;
  std::vector<bpf_insn> code(info.xlated_prog_len / sizeof(bpf_insn));
  info = {};
  info.xlated_prog_len = static_cast<uint32_t>(code.size() * sizeof(bpf_insn));
  info.xlated_prog_insns = reinterpret_cast<uint64_t>(code.data());
  if (!ReadInfo(fd, info)) return false;
  return std::ranges::any_of(code, [&](const bpf_insn& instruction) {
    return (instruction.code == (BPF_ALU64 | BPF_MOV | BPF_K) || instruction.code == (BPF_ALU | BPF_MOV | BPF_K)) &&
           instruction.imm == udp_port;
  });
}

// Asks for the interface without a program. What the kernel says to it does not matter: it will tell the driver.
void Detach(uint32_t interface, uint32_t flags) {
  struct {
    nlmsghdr header{};
    ifinfomsg link{};
    nlattr xdp{.nla_len = 0, .nla_type = IFLA_XDP | NLA_F_NESTED};
    nlattr fd{.nla_len = NLA_HDRLEN + sizeof(int32_t), .nla_type = IFLA_XDP_FD};
    int32_t none = -1;
    nlattr mode{.nla_len = NLA_HDRLEN + sizeof(uint32_t), .nla_type = IFLA_XDP_FLAGS};
    uint32_t flags = 0;
  } request;
  request.header = {.nlmsg_len = sizeof(request),
                    .nlmsg_type = RTM_SETLINK,
                    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
                    .nlmsg_seq = 1,
                    .nlmsg_pid = 0};
  request.link.ifi_index = static_cast<int>(interface);
  request.xdp.nla_len = sizeof(request) - offsetof(decltype(request), xdp);
  request.flags = flags;
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) return;
  char answer[1024];  // The kernel has done it when it returns from the send; the answer is there at once.
  if (send(fd, &request, sizeof(request), 0) > 0) {
    [[maybe_unused]] const ssize_t heard = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);
  }
  close(fd);
}

// `name`: of the interface.
absl::Status FreeInterface(const std::string& name, uint16_t udp_port, Leftovers leftovers) {
  const uint32_t interface = if_nametoindex(name.c_str());
  std::optional<Attached> attached = interface != 0 ? ReadAttached(interface) : std::nullopt;
  if (!attached) return absl::OkStatus();
  bpf_attr attr{};
  attr.prog_id = attached->program;
  int program = -1;
  const bool is_leftover = Bpf(BPF_PROG_GET_FD_BY_ID, attr, &program) && Steers(program, udp_port);
  if (program >= 0) close(program);
  if (is_leftover && leftovers == Leftovers::kKeep) {
    return absl::UnavailableError(absl::StrCat(
        "--eal: ", name, " has the XDP program of a relayd that was killed; relayd takes it off when it starts"));
  }
  if (is_leftover) {
    Detach(interface, attached->flags);
    attached = ReadAttached(interface);
  }
  if (!attached) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("--eal: ", name, " has an XDP program already (id ", attached->program,
                   "), of another relayd or of others; `ip link set ", name, " xdp off` removes it"));
}

}  // namespace

absl::Status FreeForSteering(std::span<const std::string> eal_arguments, const std::string& steer_object,
                             uint16_t udp_port, Leftovers leftovers) {
  static constexpr std::string_view kInterface = ",iface=";
  const std::string ours = absl::StrCat(",xdp_prog=", steer_object);
  for (const std::string& argument : eal_arguments) {
    const size_t at = argument.find(kInterface);
    if (at == std::string::npos || argument.find(ours) == std::string::npos) continue;
    const std::string value = argument.substr(at + kInterface.size());
    const absl::Status free = FreeInterface(value.substr(0, value.find(',')), udp_port, leftovers);
    if (!free.ok()) return free;
  }
  return absl::OkStatus();
}

}  // namespace relay
