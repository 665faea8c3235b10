#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "relay/dataplane/eal.h"
#include "relay/dataplane/eal_words.h"
#include "relay/dataplane/threads.h"

namespace relay {
namespace {

// One option: "--vdev=a" or "-l0" alone, or "--vdev" and "a" (of which `value_word` is the place).
struct Option {
  std::string name;  // With its dashes.
  std::string value;
  size_t word = 0;
  size_t value_word = 0;
  bool joined = false;  // Name and value are one word.
};

// A word that does not begin with a dash is the value of the one before.
std::vector<Option> ParseOptions(std::span<const std::string> words) {
  std::vector<Option> options;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (!word.starts_with('-')) continue;
    Option option{.name = word, .value = {}, .word = i, .value_word = i};
    const size_t end = word.starts_with("--") ? word.find('=') : 2;
    if (end < word.size()) {
      option.name = word.substr(0, end);
      option.value = word.substr(word[end] == '=' ? end + 1 : end);
      option.joined = true;
    } else if (i + 1 < words.size() && !words[i + 1].starts_with('-')) {
      option.value = words[i + 1];
      option.value_word = i + 1;
    }
    options.push_back(std::move(option));
  }
  return options;
}

bool HasAny(const std::vector<Option>& options, std::initializer_list<std::string_view> names) {
  return std::any_of(options.begin(), options.end(), [&](const Option& option) {
    return std::find(names.begin(), names.end(), option.name) != names.end();
  });
}

absl::Status Wrong(std::string_view word, std::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("--eal: ", std::string(word), ": ", std::string(why)));
}

// EAL takes the second for the first one's arguments anew, silently.
absl::Status CheckDevicesOnce(std::span<const std::string> words) {
  std::set<std::string> seen;
  for (const std::string& device : EalDevices(words)) {
    if (!seen.insert(device).second) return Wrong(device, "named twice: each port has a name of its own");
  }
  return absl::OkStatus();
}

absl::Status CheckOptions(std::span<const std::string> words, const std::vector<Option>& options) {
  static constexpr std::string_view kOurs[] = {"cores",
                                               "eal",
                                               "flow_isolate",
                                               "idle",
                                               "idle_after",
                                               "idle_sleep",
                                               "io",
                                               "kernel_path",
                                               "local_addrs",
                                               "mbuf_size",
                                               "mbufs",
                                               "mtu",
                                               "reassemble",
                                               "rx_descriptors",
                                               "tap_prefix",
                                               "total_num_mbufs",
                                               "tx_descriptors",
                                               "udp_checksum",
                                               "udp_port",
                                               "workers"};
  if (!words.empty() && !words.front().starts_with('-')) return Wrong(words.front(), "not an argument of EAL's");
  for (const Option& option : options) {
    if (option.name == "--" || option.name == "-")
      return Wrong(option.name, "nothing comes after EAL's arguments here");
    if (option.name == "--help" || option.name == "-h" || option.name == "-v") {
      return Wrong(option.name, "relayd would not start");
    }
    if (option.name == "--proc-type" && option.value != "primary" && option.value != "auto") {
      return Wrong(option.name, "relayd is a primary process");
    }
    std::string name = option.name.substr(std::min(option.name.find_first_not_of('-'), option.name.size()));
    std::replace(name.begin(), name.end(), '-', '_');
    if (option.name.starts_with("--") && std::find(std::begin(kOurs), std::end(kOurs), name) != std::end(kOurs)) {
      return Wrong(option.name, "a flag of relayd, not an argument of EAL's: see relayd --help");
    }
  }
  return absl::OkStatus();
}

// The value of `key` in a vdev's parameters: "net_x0,iface=va".
std::optional<std::string> Parameter(const std::string& vdev, const std::string& key) {
  const std::string padded = absl::StrCat(vdev, ",");
  const size_t at = padded.find(absl::StrCat(",", key, "="));
  if (at == std::string::npos) return std::nullopt;
  const size_t begin = at + key.size() + 2;
  return padded.substr(begin, padded.find(',', begin) - begin);
}

// For a socket in a folder that is not there its driver only says "Operation not permitted".
absl::Status CheckSocketFolder(const std::string& vdev) {
  const bool vhost = vdev.starts_with("net_vhost") || vdev.starts_with("eth_vhost");
  const bool virtio = vdev.starts_with("net_virtio_user") || vdev.starts_with("virtio_user");
  if (!vhost && !virtio) return absl::OkStatus();
  const std::string path = Parameter(vdev, vhost ? "iface" : "path").value_or("");
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos || slash == 0) return absl::OkStatus();
  struct stat found {};
  if (stat(path.substr(0, slash).c_str(), &found) == 0 && S_ISDIR(found.st_mode)) return absl::OkStatus();
  return Wrong(vdev.substr(0, vdev.find(',')),
               absl::StrCat(path, ": there is no folder ", path.substr(0, slash), " for the socket"));
}

// Gives AF_XDP devices our program. `interfaces`: those that have one already.
absl::Status SteerVdev(std::string& vdev, const std::string& object, std::map<std::string, std::string>& interfaces) {
  if (!vdev.starts_with("net_af_xdp") || Parameter(vdev, "xdp_prog")) return absl::OkStatus();
  const std::string name = vdev.substr(0, vdev.find(','));
  if (const auto count = Parameter(vdev, "queue_count"); count && *count != "1") {
    return Wrong(name, absl::StrCat("queue_count=", *count,
                                    ": relayd's steering has one queue a port: two workers take two ports"));
  }
  const std::string interface = Parameter(vdev, "iface").value_or("");
  if (const auto [at, fresh] = interfaces.emplace(interface, name); !fresh) {
    return Wrong(name, absl::StrCat("iface=", interface, " is ", at->second,
                                    "'s already; relayd's steering has one queue a port"));
  }
  absl::StrAppend(&vdev, ",xdp_prog=", object);
  if (!Parameter(vdev, "busy_budget")) absl::StrAppend(&vdev, ",busy_budget=0");
  return absl::OkStatus();
}

absl::Status SteerVdevs(std::vector<std::string>& words, const std::vector<Option>& options,
                        const std::string& object) {
  std::map<std::string, std::string> interfaces;
  for (const Option& option : options) {
    if (option.name != "--vdev") continue;
    std::string vdev = option.value;
    if (absl::Status status = CheckSocketFolder(vdev); !status.ok()) return status;
    if (absl::Status status = SteerVdev(vdev, object, interfaces); !status.ok()) return status;
    words[option.value_word] = option.joined ? absl::StrCat("--vdev=", vdev) : vdev;
  }
  return absl::OkStatus();
}

// `-l` takes lcores, of which there are RTE_MAX_LCORE (128); larger machines have more cores than that.
std::string LcoreArgument() {
  static constexpr int kMaxLcore = 128;
  const std::vector<int> cores = AllowedCores();
  const int first = cores.empty() ? 0 : cores.front();
  return first < kMaxLcore ? absl::StrCat("-l", first) : absl::StrCat("--lcores=0@", first);
}

}  // namespace

absl::StatusOr<std::vector<std::string>> SplitWords(const std::string& line) {
  std::vector<std::string> words;
  bool in_word = false;
  char quote = '\0';
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote == '\0' && std::isspace(static_cast<unsigned char>(c)) != 0) {
      in_word = false;
      continue;
    }
    if (!in_word) words.emplace_back();
    in_word = true;
    if (c == quote) {
      quote = '\0';
    } else if (quote == '\0' && (c == '\'' || c == '"')) {
      quote = c;
    } else if (c == '\\' && quote != '\'') {
      if (++i == line.size()) return Wrong(line, "ends with a backslash");
      words.back() += line[i];
    } else {
      words.back() += c;
    }
  }
  if (quote != '\0') return Wrong(line, "a quotation that does not end");
  return words;
}

std::vector<std::string> EalDevices(std::span<const std::string> arguments) {
  std::vector<std::string> devices;
  for (const Option& option : ParseOptions(arguments)) {
    if (option.name != "--vdev" && option.name != "-a" && option.name != "--allow") continue;
    std::string device = option.value.substr(0, option.value.find(','));
    // Other kinds (crypto, DMA) may be named, and are no ports.
    const bool is_port = option.name != "--vdev" || device.starts_with("net_") || device.starts_with("virtio_user") ||
                         device.starts_with("eth_");
    if (is_port) devices.push_back(std::move(device));
  }
  return devices;
}

absl::StatusOr<std::vector<std::string>> EalArguments(const DpdkOptions& options, const std::string& steer_object) {
  absl::StatusOr<std::vector<std::string>> words = SplitWords(options.eal);
  if (!words.ok()) return words.status();
  const std::vector<Option> given = ParseOptions(*words);
  if (absl::Status status = CheckOptions(*words, given); !status.ok()) return status;
  if (absl::Status status = CheckDevicesOnce(*words); !status.ok()) return status;
  if (absl::Status status = SteerVdevs(*words, given, steer_object); !status.ok()) return status;

  std::vector<std::string> arguments = {"relayd", "--log-level=*:warning"};
  if (!HasAny(given, {"-a", "--allow", "--no-pci"})) arguments.emplace_back("--no-pci");
  if (HasAny(given, {"--no-huge"})) {
    if (!HasAny(given, {"--no-shconf"})) arguments.emplace_back("--no-shconf");
  } else if (!HasAny(given, {"--in-memory", "--huge-unlink", "--huge-dir", "--legacy-mem"})) {
    arguments.emplace_back("--in-memory");
  }
  if (!HasAny(given, {"-l", "-c", "--lcores"})) arguments.push_back(LcoreArgument());
  arguments.insert(arguments.end(), words->begin(), words->end());
  return arguments;
}

}  // namespace relay
