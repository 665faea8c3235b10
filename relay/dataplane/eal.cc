#include "relay/dataplane/eal.h"

#include <glob.h>
#include <pthread.h>
#include <rte_debug.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "relay/dataplane/eal_words.h"

namespace relay {
namespace {

// What EAL and its drivers say while they start: shown when all is well, else boiled down to the reason.
class Chatter {
 public:
  Chatter() : stream_(open_memstream(&text_, &size_)) {
    if (stream_ != nullptr) rte_openlog_stream(stream_);
  }
  ~Chatter() {
    if (stream_ == nullptr) return;
    rte_openlog_stream(nullptr);
    std::fclose(stream_);
    std::free(text_);
  }
  Chatter(const Chatter&) = delete;
  Chatter& operator=(const Chatter&) = delete;

  std::string_view Text() {
    if (stream_ == nullptr) return {};
    std::fflush(stream_);
    return {text_, size_};
  }

 private:
  char* text_ = nullptr;
  size_t size_ = 0;
  FILE* stream_;
};

// Lines that say no more than "it failed", and what EAL warns of on healthy machines.
bool IsNoise(std::string_view line) {
  for (const std::string_view noise :
       {"Bus (", "failed to initialize", "Failed to init internals", "not available", "No available", "No free",
        "hugepages of size", "TSC frequency", "No DPDK runtime directory", "FATAL"}) {
    if (line.find(noise) != std::string_view::npos) return true;
  }
  return false;
}

// The first line that says why.
std::string Reason(std::string_view chatter) {
  for (size_t at = 0; at < chatter.size();) {
    const size_t end = std::min(chatter.find('\n', at), chatter.size());
    const std::string_view line = chatter.substr(at, end - at);
    at = end + 1;
    if (!line.empty() && !IsNoise(line)) return std::string(line);
  }
  return {};
}

// libxdp looks for its own programs, which it needs to have several on an interface, in a folder of its own making.
void SetLibxdpFolder() {
  if (getenv("LIBXDP_OBJECT_PATH") != nullptr) return;
  for (const char* const pattern : {"/usr/lib/*/bpf/xdp-dispatcher.o", "/usr/lib*/bpf/xdp-dispatcher.o"}) {
    glob_t found{};
    if (glob(pattern, 0, nullptr, &found) == 0) {
      const std::string path = found.gl_pathv[0];
      setenv("LIBXDP_OBJECT_PATH", path.substr(0, path.rfind('/')).c_str(), 0);
    }
    globfree(&found);
  }
}

// rte_eal_init pins the thread that calls it.
class KeepAffinity {
 public:
  KeepAffinity() { known_ = pthread_getaffinity_np(pthread_self(), sizeof(cores_), &cores_) == 0; }
  ~KeepAffinity() {
    if (known_) pthread_setaffinity_np(pthread_self(), sizeof(cores_), &cores_);
  }
  KeepAffinity(const KeepAffinity&) = delete;
  KeepAffinity& operator=(const KeepAffinity&) = delete;

 private:
  cpu_set_t cores_;
  bool known_ = false;
};

// EAL goes on without a device that it cannot start; relayd does not.
bool HasPort(const std::string& device) {
  uint16_t port = 0;
  if (rte_eth_dev_get_port_by_name(device.c_str(), &port) == 0) return true;
  // PCI devices have several ports, or names without their domain.
  RTE_ETH_FOREACH_DEV(port) {
    char name[RTE_ETH_NAME_MAX_LEN];
    if (rte_eth_dev_get_name_by_port(port, name) == 0 &&
        std::string_view(name).find(device) != std::string_view::npos) {
      return true;
    }
  }
  return false;
}

absl::Status InitEal(std::vector<std::string> arguments) {
  // EAL keeps the pointers, and moves them about.
  static auto* const kept = new std::vector<std::string>;
  *kept = std::move(arguments);
  std::vector<char*> argv;
  for (std::string& argument : *kept) argv.push_back(argument.data());
  argv.push_back(nullptr);

  const KeepAffinity keep;
  Chatter chatter;
  if (rte_eal_init(static_cast<int>(kept->size()), argv.data()) < 0) {
    const std::string reason = Reason(chatter.Text());
    return absl::FailedPreconditionError(
        absl::StrCat("cannot start DPDK: ", rte_strerror(rte_errno), reason.empty() ? "" : "; ", reason));
  }
  for (const std::string& device : EalDevices(*kept)) {
    if (HasPort(device)) continue;
    const std::string reason = Reason(chatter.Text());
    rte_eal_cleanup();
    return absl::FailedPreconditionError(absl::StrCat("DPDK has no port for device ", device,
                                                      reason.empty() ? "" : ": ",
                                                      reason.empty() ? "is a driver bound to it?" : reason));
  }
  const std::string_view text = chatter.Text();
  std::fwrite(text.data(), 1, text.size(), stderr);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Eal>> Eal::Start(const DpdkOptions& options, uint16_t udp_port) {
  std::unique_ptr<Eal> eal(new Eal);
  if (options.eal.find("net_af_xdp") != std::string::npos) {
    SetLibxdpFolder();
    absl::StatusOr<std::string> object = WriteSteerObject(udp_port);
    if (!object.ok()) return object.status();
    eal->steer_object_ = *std::move(object);
  }
  absl::StatusOr<std::vector<std::string>> arguments = EalArguments(options, eal->steer_object_);
  if (!arguments.ok()) return arguments.status();
  if (absl::Status status = InitEal(*std::move(arguments)); !status.ok()) return status;
  eal->runs_ = true;
  return eal;
}

Eal::~Eal() {
  if (runs_) rte_eal_cleanup();
  if (!steer_object_.empty()) unlink(steer_object_.c_str());
}

}  // namespace relay
