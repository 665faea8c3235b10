#include "relay/flags.h"

#include <gflags/gflags.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "geneve/geneve.h"
#include "relay/control/address_list.h"
#include "relay/control/command_line.h"
#include "relay/control/flag_values.h"
#include "relay/control/text.h"
#include "relay/flags_funnel.h"

DEFINE_string(io, "socket", "how packets get in and out: socket or dpdk");
DEFINE_bool(check, false, "say what would happen and what is wrong, and end: status 0 if relayd would start");
DEFINE_uint32(udp_port, 40000, "UDP port of the relay; 0: one free port for all families and workers");
DEFINE_string(addr_ports, "", "advertised addresses, ip:port by comma; default: those of this machine's interfaces");
DEFINE_string(api_listen, "127.0.0.1:9640", "address of the control API, ip:port");
DEFINE_string(metrics_listen, "127.0.0.1:9641", "address of /metrics, ip:port");
DEFINE_string(bind_lifetime, "30s", "how long a new endpoint waits for both of its clients");
DEFINE_string(steady_state_lifetime, "5m", "how long a client of an open endpoint may be silent");
DEFINE_uint32(max_endpoints, 262'144, "most endpoints at once, at most 16777215; memory is bounded by it");
DEFINE_uint32(workers, 1, "packet workers, a thread each");
DEFINE_string(
    cores, "",
    "cores that the workers are pinned to, by comma, one a worker; default: not pinned, and with --io=dpdk the last of "
    "those that relayd may run on");
DEFINE_string(gso, "auto", "send several datagrams in one call (UDP_SEGMENT): auto, on or off");
DEFINE_bool(gro, true, "receive several datagrams in one call (UDP_GRO)");
DEFINE_uint32(socket_buffer, 8 << 20, "bytes of each socket's buffers");
DEFINE_uint64(control_rate, 100'000, "handshake messages a second that one worker opens");
DEFINE_bool(first_dialect, true, "also serve clients of 2025-03, with their 32-byte handshake");
DEFINE_string(policy_file, "", "who may call the API (JSON); default: loopback alone");
DEFINE_string(api_tls_cert, "", "certificate chain (PEM); with it the API is served over TLS alone");
DEFINE_string(api_tls_key, "", "private key of --api_tls_cert (PEM)");
DEFINE_string(api_hosts, "", "further names of the API in Host headers, by comma");
DEFINE_uint32(caller_unbound_limit, 4096, "endpoints of one caller that are not yet bound");
DEFINE_uint32(caller_rate, 0, "allocations a second of one caller; 0: no limit");
DEFINE_uint32(key_cache, 65536, "shared secrets kept, by client key");
DEFINE_string(drain_timeout, "10m", "how long a drain (SIGUSR1) waits for endpoints to end");
// With --io=dpdk alone: ReadIo refuses them otherwise.
DEFINE_string(eal, "", "dpdk: arguments of DPDK's EAL, above all its ports: -a PCI-ADDRESS or --vdev=NAME,...");
DEFINE_uint32(rx_descriptors, 1024, "dpdk: descriptors of a receive queue; the driver may round");
DEFINE_uint32(tx_descriptors, 1024, "dpdk: descriptors of a transmit queue; the driver may round");
DEFINE_uint32(mbufs, 0, "dpdk: packet buffers of a port; 0: enough");
DEFINE_uint32(mbuf_size, 2048, "dpdk: bytes of a packet buffer; larger frames take several");
DEFINE_uint32(mtu, 0, "dpdk: MTU of all ports; 0: as each has it");
DEFINE_string(
    udp_checksum, "update",
    "dpdk: update or compute, for all ports or by comma one a port; compute: for veth and other virtual links "
    "whose peers leave checksums unfinished");
DEFINE_string(kernel_path, "tap",
              "dpdk: how what is not the relay's gets to the kernel from a port of DPDK's: tap or none");
DEFINE_string(tap_prefix, "relay", "dpdk: TAP interfaces are called so, and 0, 1, ... by port");
DEFINE_bool(flow_isolate, false, "dpdk: the NIC itself gives the kernel what is not the relay's (rte_flow)");
DEFINE_string(local_addrs, "", "dpdk: addresses of the relay, by comma, beside those of interfaces and --addr_ports");
DEFINE_bool(
    reassemble, false,
    "dpdk: make fragments whole in the worker, not in the kernel; what then is too big for the way out's MTU is "
    "dropped (too_big), where the kernel would fragment it again");
DEFINE_string(idle, "sleep", "dpdk: what a worker without packets does: poll, sleep or interrupt");
DEFINE_string(idle_after, "200us", "dpdk: without packets for so long a worker is idle");
DEFINE_string(idle_sleep, "50us", "dpdk: one nap of an idle worker");
DEFINE_string(log_level, "info", "debug, info, warning or error");

namespace relay {
namespace {

using disco::AddrPort;

constexpr std::string_view kUsage =
    "relayd: a UDP relay that speaks the wire protocol of Tailscale's peer relays, and an ingress that speaks "
    "Funnel's.\n\nrelayd [--flag=value]...\n\n";

absl::Status ReadCores(uint32_t workers, std::vector<int>& cores) {
  const auto machine_cores = static_cast<uint32_t>(sysconf(_SC_NPROCESSORS_CONF));
  for (const std::string_view entry : text::Split(FLAGS_cores, ',')) {
    if (FLAGS_cores.empty()) break;
    const std::optional<uint32_t> core = text::ParseNumber<uint32_t>(entry);
    if (!core || *core >= machine_cores) {
      return Wrong("cores", FLAGS_cores, text::Cat("\"", entry, "\" is not a core of 0 to ", machine_cores - 1));
    }
    cores.push_back(static_cast<int>(*core));
  }
  if (!cores.empty() && cores.size() != workers) {
    return Wrong("cores", FLAGS_cores, text::Cat("one core for each of ", workers, " workers"));
  }
  return absl::OkStatus();
}

absl::Status ReadSockets(SocketBackend::Options& io) {
  for (const absl::Status& status : {ReadNumber("udp_port", FLAGS_udp_port, 0, 65535),
                                     ReadNumber("workers", FLAGS_workers, 1, SocketBackend::kMaxWorkers),
                                     ReadNumber("socket_buffer", FLAGS_socket_buffer, 4096, 1 << 30),
                                     ReadNumber("control_rate", FLAGS_control_rate, 1, 100'000'000)}) {
    if (!status.ok()) return status;
  }
  io.udp_port = static_cast<uint16_t>(FLAGS_udp_port);
  io.gro = FLAGS_gro;
  io.socket_buffer_bytes = static_cast<int>(FLAGS_socket_buffer);
  io.worker_control_rate = FLAGS_control_rate;
  using Gso = SocketBackend::Options::Gso;
  if (FLAGS_gso != "auto" && FLAGS_gso != "on" && FLAGS_gso != "off")
    return Wrong("gso", FLAGS_gso, "not auto, on or off");
  io.gso = FLAGS_gso == "auto" ? Gso::kAuto : FLAGS_gso == "on" ? Gso::kOn : Gso::kOff;
  return absl::OkStatus();
}

// One of several words; `value` by comma, an entry each.
template <typename Enum>
absl::Status ReadWords(std::string_view flag, const std::string& value,
                       std::initializer_list<std::pair<std::string_view, Enum>> words, std::vector<Enum>& out) {
  out.clear();
  for (const std::string_view entry : text::Split(value, ',')) {
    const auto* const word =
        std::find_if(words.begin(), words.end(), [&](const auto& candidate) { return candidate.first == entry; });
    if (word == words.end()) {
      std::string known;
      for (const auto& candidate : words) text::AppendAll(known, known.empty() ? "" : " or ", candidate.first);
      return Wrong(flag, value, text::Cat("not ", known));
    }
    out.push_back(word->second);
  }
  return absl::OkStatus();
}

template <typename Enum>
absl::Status ReadWord(std::string_view flag, const std::string& value,
                      std::initializer_list<std::pair<std::string_view, Enum>> words, Enum& out) {
  std::vector<Enum> all;
  if (absl::Status status = ReadWords(flag, value, words, all); !status.ok()) return status;
  if (all.size() != 1) return Wrong(flag, value, "one is enough");
  out = all.front();
  return absl::OkStatus();
}

absl::Status ReadLocalAddrs(std::vector<AddrPort>& local_addrs) {
  for (const std::string_view entry : text::Split(FLAGS_local_addrs, ',')) {
    if (FLAGS_local_addrs.empty()) break;
    const std::string ip(text::Trim(entry));
    std::optional<AddrPort> addr = AddrPort::Parse(ip.find(':') == std::string::npos ? ip + ":0" : "[" + ip + "]:0");
    if (!addr || addr->IsUnspecified() || addr->IsMulticast() || addr->IsBroadcast()) {
      return Wrong("local_addrs", FLAGS_local_addrs, text::Cat("\"", entry, "\" is not an address of one machine"));
    }
    local_addrs.push_back(*addr);
  }
  return absl::OkStatus();
}

absl::Status ReadTapPrefix(std::string& prefix) {
  static constexpr size_t kMost = 11;  // An interface's name has 15 characters at most.
  const bool good = !FLAGS_tap_prefix.empty() && FLAGS_tap_prefix.size() <= kMost &&
                    std::all_of(FLAGS_tap_prefix.begin(), FLAGS_tap_prefix.end(),
                                [](char c) { return text::IsLetter(c) || text::IsDigit(c) || c == '_' || c == '-'; });
  if (!good) return Wrong("tap_prefix", FLAGS_tap_prefix, "not 1 to 11 letters, digits, - and _");
  prefix = FLAGS_tap_prefix;
  return absl::OkStatus();
}

absl::Status ReadPorts(DpdkOptions& dpdk) {
  static constexpr uint32_t kLeastMtu = 576;
  for (const absl::Status& status :
       {ReadNumber("rx_descriptors", FLAGS_rx_descriptors, 32, 32768),
        ReadNumber("tx_descriptors", FLAGS_tx_descriptors, 32, 32768),
        ReadNumber("mbufs", FLAGS_mbufs, FLAGS_mbufs == 0 ? 0 : 1024, 1 << 27),
        ReadNumber("mbuf_size", FLAGS_mbuf_size, 256, 65280),
        ReadNumber("mtu", FLAGS_mtu, FLAGS_mtu == 0 ? 0 : kLeastMtu, 65535),
        ReadWords<UdpChecksum>("udp_checksum", FLAGS_udp_checksum,
                               {{"update", UdpChecksum::kUpdate}, {"compute", UdpChecksum::kCompute}},
                               dpdk.udp_checksum)}) {
    if (!status.ok()) return status;
  }
  dpdk.rx_descriptors = static_cast<uint16_t>(FLAGS_rx_descriptors);
  dpdk.tx_descriptors = static_cast<uint16_t>(FLAGS_tx_descriptors);
  dpdk.mbufs = FLAGS_mbufs;
  dpdk.mbuf_size = static_cast<uint16_t>(FLAGS_mbuf_size);
  dpdk.mtu = static_cast<uint16_t>(FLAGS_mtu);
  dpdk.flow_isolate = FLAGS_flow_isolate;
  return absl::OkStatus();
}

absl::Status ReadDpdk(DpdkOptions& dpdk) {
  static constexpr uint32_t kMostWorkers = 120;  // EAL knows 128 threads, ours and its own.
  static constexpr auto kLongestIdle = std::chrono::seconds(1);
  using Idle = DpdkOptions::Idle;
  using KernelPath = DpdkOptions::KernelPath;
  if (FLAGS_eal.empty()) return Wrong("io", FLAGS_io, "--eal names no port: -a PCI-ADDRESS, or --vdev=NAME,...");
  dpdk.eal = FLAGS_eal;
  dpdk.workers = FLAGS_workers;
  dpdk.worker_control_rate = FLAGS_control_rate;
  dpdk.reassemble = FLAGS_reassemble;
  for (const absl::Status& status :
       {ReadNumber("workers", FLAGS_workers, 1, kMostWorkers), ReadCores(dpdk.workers, dpdk.cores), ReadPorts(dpdk),
        ReadWord<KernelPath>("kernel_path", FLAGS_kernel_path, {{"tap", KernelPath::kTap}, {"none", KernelPath::kNone}},
                             dpdk.kernel_path),
        ReadTapPrefix(dpdk.tap_prefix), ReadLocalAddrs(dpdk.local_addrs),
        ReadWord<Idle>("idle", FLAGS_idle,
                       {{"poll", Idle::kPoll}, {"sleep", Idle::kSleep}, {"interrupt", Idle::kInterrupt}}, dpdk.idle),
        ReadDuration("idle_after", FLAGS_idle_after, dpdk.idle_after),
        ReadDuration("idle_sleep", FLAGS_idle_sleep, dpdk.idle_sleep)}) {
    if (!status.ok()) return status;
  }
  if (dpdk.idle_after > kLongestIdle) return Wrong("idle_after", FLAGS_idle_after, "more than 1s");
  if (dpdk.idle_sleep > kLongestIdle) return Wrong("idle_sleep", FLAGS_idle_sleep, "more than 1s");
  return absl::OkStatus();
}

absl::Status ReadIo(Options& options) {
  if (FLAGS_io != "socket" && FLAGS_io != "dpdk") return Wrong("io", FLAGS_io, "not socket or dpdk");
  options.dpdk = FLAGS_io == "dpdk";
  if (absl::Status status = ReadSockets(options.io); !status.ok()) return status;
  if (options.dpdk) return ReadDpdk(options.dpdk_io);
  for (const char* const flag :
       {"eal", "rx_descriptors", "tx_descriptors", "mbufs", "mbuf_size", "mtu", "udp_checksum", "kernel_path",
        "tap_prefix", "flow_isolate", "local_addrs", "reassemble", "idle", "idle_after", "idle_sleep"}) {
    if (IsSet(flag)) return absl::InvalidArgumentError(text::Cat("--", flag, ": does nothing without --io=dpdk"));
  }
  options.io.workers = FLAGS_workers;
  return ReadCores(options.io.workers, options.io.cores);
}

absl::Status ReadAllocator(Allocator::Options& allocator) {
  for (const absl::Status& status :
       {ReadDuration("bind_lifetime", FLAGS_bind_lifetime, allocator.bind_lifetime),
        ReadDuration("steady_state_lifetime", FLAGS_steady_state_lifetime, allocator.steady_state_lifetime),
        ReadNumber("max_endpoints", FLAGS_max_endpoints, 1, geneve::kMaxVni),
        ReadNumber("caller_unbound_limit", FLAGS_caller_unbound_limit, 1, geneve::kMaxVni),
        ReadNumber("key_cache", FLAGS_key_cache, 2, 1 << 24)}) {
    if (!status.ok()) return status;
  }
  allocator.caller_unbound_limit = FLAGS_caller_unbound_limit;
  allocator.caller_rate = FLAGS_caller_rate;
  allocator.key_cache_size = FLAGS_key_cache;
  return absl::OkStatus();
}

absl::Status ReadControl(ControlOptions& control) {
  for (const absl::Status& status : {ReadListen("api_listen", FLAGS_api_listen, control.api_listen),
                                     ReadDuration("drain_timeout", FLAGS_drain_timeout, control.drain_timeout)}) {
    if (!status.ok()) return status;
  }
  if (!FLAGS_addr_ports.empty()) {
    absl::StatusOr<std::vector<AddrPort>> addr_ports = ParseAddressList(FLAGS_addr_ports);
    if (!addr_ports.ok()) return Wrong("addr_ports", FLAGS_addr_ports, std::string(addr_ports.status().message()));
    control.addr_ports = *std::move(addr_ports);
  }
  if (FLAGS_api_tls_cert.empty() != FLAGS_api_tls_key.empty()) {
    return absl::InvalidArgumentError("--api_tls_cert and --api_tls_key: one without the other");
  }
  control.tls_cert = FLAGS_api_tls_cert;
  control.tls_key = FLAGS_api_tls_key;
  control.policy_file = FLAGS_policy_file;
  for (const std::string_view host : text::Split(FLAGS_api_hosts, ',')) {
    if (!text::Trim(host).empty()) control.api_hosts.emplace_back(text::Trim(host));
  }
  return absl::OkStatus();
}

absl::Status CheckFlagfiles(std::string_view paths) {
  for (const std::string_view entry : text::Split(paths, ',')) {
    const std::string path(entry);
    struct stat found {};
    if (path.empty()) return Wrong("flagfile", paths, "names no file");
    if (stat(path.c_str(), &found) != 0 || access(path.c_str(), R_OK) != 0) {
      return Wrong("flagfile", path, std::strerror(errno));
    }
    if (S_ISDIR(found.st_mode)) return Wrong("flagfile", path, "a folder, not a file");
  }
  return absl::OkStatus();
}

// What gflags says of a file that it cannot read does not name the flag.
absl::Status CheckFlagfiles(std::span<char* const> args) {
  static constexpr std::string_view kName = "flagfile";
  for (size_t i = 1; i < args.size() && std::string_view(args[i]) != "--"; ++i) {
    std::string_view arg = args[i];
    if (!arg.starts_with('-')) continue;
    arg.remove_prefix(arg.starts_with("--") ? 2 : 1);
    std::optional<std::string_view> paths;
    if (arg == kName && i + 1 < args.size()) paths = args[++i];
    if (arg.starts_with(kName) && arg.substr(kName.size(), 1) == "=") paths = arg.substr(kName.size() + 1);
    if (!paths) continue;
    if (absl::Status status = CheckFlagfiles(*paths); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Options> ParseFlags(int argc, char** argv) {
  if (absl::Status status = CheckFlagfiles(std::span(argv, static_cast<size_t>(argc))); !status.ok()) return status;
  // Flags of flags.cc and flags_*.cc.
  const std::string_view ours = std::string_view(__FILE__).substr(0, sizeof(__FILE__) - sizeof(".cc"));
  const std::vector<std::string_view> rest =
      ParseCommandLine({.version = RELAYD_VERSION, .usage = kUsage, .files = ours}, argc, argv);
  if (!rest.empty()) return absl::InvalidArgumentError(text::Cat("\"", rest.front(), "\" is not a flag"));

  Options options;
  options.max_endpoints = FLAGS_max_endpoints;
  options.server.first_dialect = FLAGS_first_dialect;
  const std::optional<LogLevel> level = ParseLogLevel(FLAGS_log_level);
  if (!level) return Wrong("log_level", FLAGS_log_level, "not debug, info, warning or error");
  options.log_level = *level;
  for (const absl::Status& status : {ReadIo(options), ReadAllocator(options.allocator), ReadControl(options.control),
                                     ReadFunnel(options.funnel, options.serve_config),
                                     ReadListen("metrics_listen", FLAGS_metrics_listen, options.metrics_listen)}) {
    if (!status.ok()) return status;
  }
  if (!options.serve_config.empty() && !options.control.tls_cert.empty()) {
    return absl::InvalidArgumentError(
        "--serve_config: an ingress reaches a node without TLS, but --api_tls_cert is set");
  }
  options.check = FLAGS_check;
  // What clients are told to send to is ours.
  std::vector<AddrPort>& local = options.dpdk_io.local_addrs;
  local.insert(local.end(), options.control.addr_ports.begin(), options.control.addr_ports.end());
  return options;
}

}  // namespace relay
