#include "bench/relay_bench/flags.h"

#include <gflags/gflags.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>

#include "bench/measure/thresholds.h"
#include "disco/go_duration.h"
#include "relay/client/program.h"
#include "relay/control/text.h"

DEFINE_string(relay_api, "", "the server that allocates: http://host:port (no https: then --endpoints)");
DEFINE_string(token, "", "bearer token for --relay_api");
DEFINE_string(token_file, "", "file that holds the token");
DEFINE_uint32(api_connections, 16, "connections to --relay_api, one request under way on each");
DEFINE_string(endpoints, "", "file of endpoints and keys (--save_endpoints wrote it), instead of --relay_api");
DEFINE_string(save_endpoints, "", "writes endpoints and private keys to this file, mode 0600");
DEFINE_string(relay, "", "ip:port that packets go to; default: the first address of the first endpoint");
DEFINE_string(wait, "", "how long to wait for the API, and for the ports' links; default: 0s, with --io=dpdk 10s");
DEFINE_bool(reflector, false, "what is measured swaps addresses (testpmd 5tswap) and is no relay; --io=dpdk alone");

DEFINE_string(io, "socket", "socket or dpdk");
DEFINE_bool(gso, false, "sockets: trains of datagrams out and in (UDP_SEGMENT, UDP_GRO)");
DEFINE_string(client_addrs, "", "sockets: the clients' addresses, by comma, in turn; default: as the kernel routes");
DEFINE_uint32(max_sockets, 0, "sockets: at most so many, shared by the legs; 0: one a leg, as descriptors allow");
DEFINE_bool(busy_poll, true, "sockets: never sleep, so that the generator adds no latency of its own");
DEFINE_string(eal, "", "dpdk: EAL's arguments, which name the ports (--no-pci is added unless -a is there)");
DEFINE_string(client_net, "198.18.0.0/16", "dpdk: the clients' addresses are taken from it; by port, by comma");
DEFINE_string(relay_mac, "02:00:00:00:00:01", "dpdk: where frames go; by port, by comma");
DEFINE_uint32(descriptors, 1024, "dpdk: of each port's two rings");
DEFINE_uint32(mbuf_size, 2048, "dpdk: data room of a buffer, headroom apart");
DEFINE_uint32(mtu, 0, "dpdk: of the ports; 0: as they have it");
DEFINE_bool(udp_checksum, true, "dpdk: over IPv4 too");
DEFINE_bool(verify_checksums, true,
            "dpdk: of IPv4 and UDP in what comes, with --check=full; not where the other end of a "
            "veth leaves them to its NIC");

DEFINE_uint32(pairs, 1, "pairs of clients, 1 to 1000000");
DEFINE_uint32(client_keys, 0,
              "distinct keys of all clients; 0: the fewest of which there are so many pairs (1415 for "
              "1000000)");
DEFINE_string(sizes, "fixed:72", "UDP payloads with Geneve header: fixed:72, imix, or sizes with weights, 64:7,1400:1");
DEFINE_string(rate, "10000", "packets a second of all pairs together, or max, or search");
DEFINE_double(loss_bound, 0, "search: the loss that is allowed, as a share (1e-4 is 0.01 %)");
DEFINE_double(search_low, 1000, "search: no lower than this");
DEFINE_double(search_high, 0, "search: no higher than this; 0: what is sent unlimited");
DEFINE_double(search_resolution, 0.01, "search: how close the bounds come, as a share");
DEFINE_string(direction, "both", "one (first client to second) or both");
DEFINE_uint32(burst, 0, "consecutive packets of one flow; 0: 64 with --gso, else 1");
DEFINE_string(
    duration, "10s",
    "of the load; with --rate=search of a trial, or longer, up to 60s, where --loss_bound takes more packets to tell");
DEFINE_string(warmup, "1s", "load before it that does not count");
DEFINE_string(max_behind, "10ms", "what is due and late by more is given up, and counted as not sent");
DEFINE_string(drain, "300ms", "silence after which what is missing is lost");
DEFINE_string(check, "full", "full: every byte of every payload; stamp: its stamp alone, for the highest rates");
DEFINE_double(handshake_share, 0, "new handshakes of bound clients, for each packet sent");
DEFINE_string(handshake_retry, "500ms", "a bind without a challenge is sent again after this");
DEFINE_uint32(handshake_tries, 10, "and so often");
DEFINE_uint32(bind_window, 512, "pairs allocated and not bound yet, at most; below what the server grants a caller");
DEFINE_string(hostile, "", "packets a second: bogus_control:RATE,unknown_vni:RATE,wrong_source:RATE,random:RATE");
DEFINE_bool(hostile_in_setup, false, "the hostile packets begin before the good pairs are bound");
DEFINE_uint32(attack_pairs, 0,
              "endpoints that bogus_control is for; 0: one for each 40 packets a second, at most "
              "4096");

DEFINE_int32(core, -1, "pins the thread that sends and receives, and no other one; -1: does not");

DEFINE_string(json, "", "report to this file; -: stdout");
DEFINE_string(csv, "", "report to this file; -: stdout");
DEFINE_string(html, "", "report to this file");
DEFINE_string(require, "", "exit status 1 unless these hold: loss<=1e-4,p99<=300us,...");
DEFINE_bool(progress, true, "a live line on stderr; its percentiles are those of the running trial, from its start");
DEFINE_uint64(seed, 1, "of the order of flows, and of all else that is drawn, keys apart");

namespace bench {
namespace {

using relay::text::Cat;
using relay::text::Split;

constexpr uint32_t kMostPairs = 1'000'000;
constexpr uint32_t kTrain = 64;

absl::Status Wrong(std::string_view flag, std::string_view value, std::string_view want) {
  return absl::InvalidArgumentError(Cat("--", flag, "=", value, ": ", want));
}

std::optional<double> ReadNumber(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value >= 0) || value > 1e12) return std::nullopt;
  return value;
}

absl::Status ReadDuration(std::string_view flag, const std::string& value, relay::Duration least,
                          relay::Duration& out) {
  const auto duration = disco::ParseGoDuration(value);
  if (!duration || *duration < least) return Wrong(flag, value, "not a duration such as 10s or 500ms, or too short");
  out = *duration;
  return absl::OkStatus();
}

absl::Status ReadCount(std::string_view flag, uint64_t value, uint64_t least, uint64_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return Wrong(flag, std::to_string(value), Cat("not of ", least, " to ", most));
}

absl::Status ReadShare(std::string_view flag, double value) {
  if (value >= 0 && value <= 1) return absl::OkStatus();
  return Wrong(flag, std::to_string(value), "not a share, 0 to 1");
}

absl::Status ReadTarget(Options& options) {
  if (FLAGS_io != "socket" && FLAGS_io != "dpdk") return Wrong("io", FLAGS_io, "there are socket and dpdk");
  options.io = FLAGS_io == "dpdk" ? Io::kDpdk : Io::kSocket;
  options.reflector = FLAGS_reflector;
  if (FLAGS_reflector && options.io != Io::kDpdk) return Wrong("reflector", "true", "with --io=dpdk alone");
  const int sources = !FLAGS_relay_api.empty() + !FLAGS_endpoints.empty() + FLAGS_reflector;
  if (sources != 1) return absl::InvalidArgumentError("one of --relay_api, --endpoints and --reflector is needed");
  options.relay_api = FLAGS_relay_api;
  options.endpoints_file = FLAGS_endpoints;
  options.save_endpoints = FLAGS_save_endpoints;
  options.api_connections = FLAGS_api_connections;
  auto token = relay::client::ReadToken(FLAGS_token, FLAGS_token_file);
  if (!token.ok()) return token.status();
  options.token = *std::move(token);
  if (!FLAGS_relay.empty()) {
    options.relay = disco::AddrPort::Parse(FLAGS_relay);
    if (!options.relay || options.relay->port == 0) return Wrong("relay", FLAGS_relay, "not an ip:port");
  } else if (FLAGS_reflector) {
    options.relay = disco::AddrPort::Parse("198.19.0.1:40000");
  }
  options.wait = std::chrono::seconds(options.io == Io::kDpdk ? 10 : 0);
  if (FLAGS_wait.empty()) return absl::OkStatus();
  return ReadDuration("wait", FLAGS_wait, {}, options.wait);
}

absl::Status ReadIo(Options& options) {
  if (options.io != Io::kDpdk) {
    for (const char* const flag :
         {"eal", "client_net", "relay_mac", "descriptors", "mbuf_size", "mtu", "udp_checksum", "verify_checksums"}) {
      if (gflags::GetCommandLineFlagInfoOrDie(flag).is_default) continue;
      return absl::InvalidArgumentError(Cat("--", flag, ": does nothing without --io=dpdk"));
    }
  }
  options.socket.gso = FLAGS_gso;
  options.socket.busy_poll = FLAGS_busy_poll;
  options.socket.max_sockets = FLAGS_max_sockets;
  if (!FLAGS_client_addrs.empty()) {
    for (const std::string_view text : Split(FLAGS_client_addrs, ',')) {
      // An address without a port; brackets for IPv6 are fine.
      const bool plain_v6 = text.find(':') != std::string_view::npos && !text.starts_with('[');
      const auto address = disco::AddrPort::Parse(plain_v6 ? Cat("[", text, "]:0") : Cat(text, ":0"));
      if (!address) return Wrong("client_addrs", FLAGS_client_addrs, Cat("\"", text, "\" is not an address"));
      options.socket.client_addrs.push_back(*address);
    }
  }
  DpdkIoOptions& dpdk = options.dpdk;
  dpdk.eal = FLAGS_core >= 0 ? Cat("-l ", FLAGS_core, " ", FLAGS_eal) : FLAGS_eal;
  for (const std::string_view text : Split(FLAGS_client_net, ',')) {
    auto net = ParseClientNet(text);
    if (!net.ok()) return net.status();
    dpdk.client_nets.push_back(*net);
  }
  for (const std::string_view text : Split(FLAGS_relay_mac, ',')) {
    auto mac = ParseMac(text);
    if (!mac.ok()) return mac.status();
    dpdk.relay_macs.push_back(*mac);
  }
  dpdk.descriptors = static_cast<uint16_t>(std::min(FLAGS_descriptors, 32768u));
  dpdk.mbuf_size = static_cast<uint16_t>(std::clamp(FLAGS_mbuf_size, 512u, 32768u));
  dpdk.mtu = static_cast<uint16_t>(std::min(FLAGS_mtu, 16384u));
  dpdk.udp_checksum = FLAGS_udp_checksum;
  return absl::OkStatus();
}

absl::Status ReadLoad(Options& options) {
  for (const absl::Status& status :
       {ReadCount("pairs", FLAGS_pairs, 1, kMostPairs), ReadCount("api_connections", FLAGS_api_connections, 1, 1000),
        ReadCount("bind_window", FLAGS_bind_window, 1, kMostPairs), ReadCount("burst", FLAGS_burst, 0, kTrain),
        ReadCount("handshake_tries", FLAGS_handshake_tries, 1, 1000),
        ReadCount("core", static_cast<uint64_t>(int64_t{FLAGS_core} + 1), 0, 1024),
        ReadDuration("duration", FLAGS_duration, std::chrono::milliseconds(1), options.duration),
        ReadDuration("warmup", FLAGS_warmup, {}, options.warmup),
        ReadDuration("max_behind", FLAGS_max_behind, std::chrono::milliseconds(1), options.max_behind),
        ReadDuration("drain", FLAGS_drain, std::chrono::milliseconds(1), options.drain),
        ReadDuration("handshake_retry", FLAGS_handshake_retry, std::chrono::milliseconds(1), options.handshake_retry),
        ReadShare("handshake_share", FLAGS_handshake_share), ReadShare("loss_bound", FLAGS_loss_bound)}) {
    if (!status.ok()) return status;
  }
  options.pairs = FLAGS_pairs;
  options.client_keys = FLAGS_client_keys;
  options.sizes = FLAGS_sizes;
  options.burst = FLAGS_burst > 0 ? FLAGS_burst : FLAGS_gso ? kTrain : 1;
  options.bind_window = FLAGS_bind_window;
  options.handshake_tries = FLAGS_handshake_tries;
  options.handshake_share = FLAGS_handshake_share;
  options.loss_bound = FLAGS_loss_bound;
  options.search_high_pps = FLAGS_search_high;
  options.search_resolution = FLAGS_search_resolution;
  if (FLAGS_direction != "one" && FLAGS_direction != "both") return Wrong("direction", FLAGS_direction, "one or both");
  options.both_directions = FLAGS_direction == "both";
  if (FLAGS_check != "full" && FLAGS_check != "stamp") return Wrong("check", FLAGS_check, "full or stamp");
  options.full_check = FLAGS_check == "full";
  options.dpdk.verify_checksums = FLAGS_verify_checksums && options.full_check;
  if (FLAGS_rate == "max" || FLAGS_rate == "search") {
    options.rate = FLAGS_rate == "max" ? RateKind::kMax : RateKind::kSearch;
    options.rate_pps = FLAGS_search_low;
  } else {
    const auto rate = ReadNumber(FLAGS_rate);
    if (!rate || *rate <= 0) return Wrong("rate", FLAGS_rate, "packets a second, max or search");
    options.rate_pps = *rate;
  }
  auto hostile = ParseHostile(FLAGS_hostile);
  if (!hostile.ok()) return hostile.status();
  options.hostile = *hostile;
  options.hostile_in_setup = FLAGS_hostile_in_setup;
  options.attack_pairs = FLAGS_attack_pairs;
  if (FLAGS_reflector && (options.hostile.Total() > 0 || options.handshake_share > 0)) {
    return absl::InvalidArgumentError("--reflector: it knows no handshakes, and nothing that is hostile");
  }
  auto requirements = ParseRequirements(FLAGS_require);
  return requirements.status();
}

constexpr std::string_view kUsage =
    "relay-bench: plays pairs of clients against a server of the relay protocol, and measures it.\n\n"
    "  relay-bench --relay_api=http://127.0.0.1:9640 --pairs=100 --rate=50000 --duration=10s\n"
    "  relay-bench --relay_api=http://127.0.0.1:9640 --gso --rate=search --loss_bound=1e-4 --json=result.json\n\n"
    "Exit status: 0 all --require hold, 1 they do not, or a search found no rate, 2 wrong use, 3 it could not run. "
    "SIGINT ends it with a report.\n\n";

// gflags' own help lists the flags of every library.
void PrintHelp() {
  std::printf("%.*s", static_cast<int>(kUsage.size()), kUsage.data());
  std::vector<gflags::CommandLineFlagInfo> flags;
  gflags::GetAllFlags(&flags);
  for (const gflags::CommandLineFlagInfo& flag : flags) {
    if (flag.filename != __FILE__) continue;
    std::printf("  --%s=%s\n      %s\n", flag.name.c_str(), flag.default_value.c_str(), flag.description.c_str());
  }
  std::printf("\nWhat --require may name:\n%s", MetricsHelp().c_str());
}

}  // namespace

absl::StatusOr<HostileRates> ParseHostile(std::string_view text) {
  HostileRates rates;
  if (text.empty()) return rates;
  for (const std::string_view entry : Split(text, ',')) {
    const size_t colon = entry.find(':');
    const std::string_view name = entry.substr(0, colon);
    const auto rate = colon == std::string_view::npos ? std::nullopt : ReadNumber(entry.substr(colon + 1));
    double* const out = name == "bogus_control"  ? &rates.bogus_control
                        : name == "unknown_vni"  ? &rates.unknown_vni
                        : name == "wrong_source" ? &rates.wrong_source
                        : name == "random"       ? &rates.random
                                                 : nullptr;
    if (out == nullptr || !rate) {
      return Wrong("hostile", text,
                   Cat("\"", entry,
                       "\" is not bogus_control, unknown_vni, wrong_source or random, "
                       "colon, packets a second"));
    }
    *out = *rate;
  }
  return rates;
}

absl::StatusOr<ClientNet> ParseClientNet(std::string_view text) {
  const size_t slash = text.find('/');
  const std::string_view ip = text.substr(0, slash);
  const auto prefix = relay::text::ParseNumber<uint32_t>(slash == std::string_view::npos ? "" : text.substr(slash + 1));
  const bool v6 = ip.find(':') != std::string_view::npos;
  const auto base = disco::AddrPort::Parse(v6 ? Cat("[", ip, "]:0") : Cat(ip, ":0"));
  if (!base || !prefix || *prefix > (v6 ? 112u : 30u)) {
    return Wrong("client_net", text, "not a network such as 198.18.0.0/16 or 2001:db8::/64");
  }
  return ClientNet{.base = *base, .prefix = static_cast<int>(*prefix)};
}

absl::StatusOr<std::array<uint8_t, 6>> ParseMac(std::string_view text) {
  std::array<uint8_t, 6> mac{};
  const std::vector<std::string_view> parts = Split(text, ':');
  bool good = parts.size() == mac.size();
  for (size_t i = 0; good && i < mac.size(); ++i) {
    const auto [end, error] = std::from_chars(parts[i].data(), parts[i].data() + parts[i].size(), mac[i], 16);
    good = parts[i].size() == 2 && error == std::errc() && end == parts[i].data() + parts[i].size();
  }
  if (!good) return Wrong("relay_mac", text, "not a MAC such as 02:00:00:00:00:01");
  return mac;
}

absl::StatusOr<Options> ParseFlags(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg == "--help" || arg == "-help" || arg == "-h") {
      PrintHelp();
      std::exit(0);
    }
  }
  Options options;
  for (int i = 1; i < argc; ++i) {
    const bool secret = std::string_view(argv[i]).find("token=") != std::string_view::npos;
    options.command_line.emplace_back(secret ? "--token=..." : argv[i]);
  }
  const std::vector<std::string_view> rest = relay::client::ParseFlags(kUsage, argc, argv);
  if (!rest.empty()) return absl::InvalidArgumentError(Cat("\"", rest[0], "\" is not a flag"));
  for (const absl::Status& status : {ReadTarget(options), ReadIo(options), ReadLoad(options)}) {
    if (!status.ok()) return status;
  }
  options.json = FLAGS_json;
  options.csv = FLAGS_csv;
  options.html = FLAGS_html;
  options.require = FLAGS_require;
  options.progress = FLAGS_progress;
  options.core = FLAGS_core;
  options.seed = FLAGS_seed;
  return options;
}

}  // namespace bench
