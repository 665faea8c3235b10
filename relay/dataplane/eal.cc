#include "relay/dataplane/eal.h"

#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <memory>
#include <sstream>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "relay/dataplane/eal_words.h"

namespace relay {
namespace {

// What EAL, its drivers and libraries say while they start, on whichever stream: shown when all is well, else boiled
// down to the reason. There are no threads yet that write.
class Chatter {
 public:
  Chatter() : file_(memfd_create("chatter", MFD_CLOEXEC)) {
    for (const int stream : {STDOUT_FILENO, STDERR_FILENO}) saved_[stream] = fcntl(stream, F_DUPFD_CLOEXEC, 3);
    Redirect({file_, file_, file_});
  }
  ~Chatter() {
    Text();
    for (const int fd : {file_, saved_[STDOUT_FILENO], saved_[STDERR_FILENO]}) {
      if (fd >= 0) close(fd);
    }
  }
  Chatter(const Chatter&) = delete;
  Chatter& operator=(const Chatter&) = delete;

  // Ends the listening.
  const std::string& Text() {
    if (!std::exchange(listening_, false)) return text_;
    Redirect(saved_);
    char chunk[4096];
    for (ssize_t got = 0; (got = pread(file_, chunk, sizeof(chunk), static_cast<off_t>(text_.size()))) > 0;) {
      text_.append(chunk, static_cast<size_t>(got));
    }
    return text_;
  }

 private:
  static void Redirect(const std::array<int, 3>& to) {
    std::fflush(stdout);
    std::fflush(stderr);
    for (const int stream : {STDOUT_FILENO, STDERR_FILENO}) {
      if (to[stream] >= 0) dup2(to[stream], stream);
    }
  }

  const int file_;
  std::array<int, 3> saved_{-1, -1, -1};
  std::string text_;
  bool listening_ = true;
};

bool HasOneOf(std::string_view line, std::initializer_list<std::string_view> pieces) {
  return std::any_of(pieces.begin(), pieces.end(),
                     [&](std::string_view piece) { return line.find(piece) != std::string_view::npos; });
}

// What EAL warns of on healthy machines.
bool IsHarmless(std::string_view line) {
  return HasOneOf(line, {"TELEMETRY: No legacy", "No available 1048576 kB", "No free 1048576 kB", "multiq", "qdisc"});
}

// "It failed", once more.
bool IsVague(std::string_view line) {
  return HasOneOf(line, {"Bus (", "failed to initialize", "Failed to init internals", "FATAL", "No DPDK runtime"});
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    if (!line.empty() && !IsHarmless(line)) lines.push_back(std::move(line));
  }
  return lines;
}

// The first line that says why, without its speaker and full stop; or `otherwise`.
std::string Reason(const std::string& chatter, const std::string& otherwise) {
  for (std::string& line : Lines(chatter)) {
    if (IsVague(line)) continue;
    for (const std::string_view speaker : {"EAL: ", "relayd: "}) {
      if (line.starts_with(speaker)) line.erase(0, speaker.size());
    }
    if (line.ends_with('.')) line.pop_back();
    return line;
  }
  return otherwise;
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
    const int error = rte_errno;
    const std::string reason = Reason(chatter.Text(), "no reason given");
    const bool hugepages = reason.find("hugepage") != std::string::npos;
    const bool files = std::ranges::none_of(
        *kept, [](const std::string& word) { return word == "--in-memory" || word == "--no-huge"; });
    return absl::Status(
        error == EINVAL ? absl::StatusCode::kInvalidArgument : absl::StatusCode::kFailedPrecondition,
        absl::StrCat("--eal: cannot start DPDK: ", reason, " (", rte_strerror(error), ")",
                     hugepages && files ? "; --huge-dir, --huge-unlink and --legacy-mem want a "
                                          "hugetlbfs that relayd may write to, without them it needs none"
                     : hugepages        ? "; reserve hugepages (sysctl vm.nr_hugepages), or do without by "
                                          "--no-huge -m MEGABYTES in --eal"
                                        : ""));
  }
  for (const std::string& device : EalDevices(*kept)) {
    if (HasPort(device)) continue;
    const std::string reason = Reason(chatter.Text(), "is there such a device, and a driver bound to it?");
    rte_eal_cleanup();
    return absl::FailedPreconditionError(absl::StrCat("--eal: no port for device ", device, ": ", reason));
  }
  for (const std::string& line : Lines(chatter.Text())) std::fprintf(stderr, "%s\n", line.c_str());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Eal>> Eal::Start(const DpdkOptions& options, uint16_t udp_port, Leftovers leftovers) {
  static bool started = false;
  if (std::exchange(started, true)) return absl::FailedPreconditionError("DPDK was started already");
  std::unique_ptr<Eal> eal(new Eal);
  if (options.eal.find("net_af_xdp") != std::string::npos) {
    SetLibxdpFolder();
    absl::StatusOr<std::string> object = WriteSteerObject(udp_port);
    if (!object.ok()) return object.status();
    eal->steer_object_ = *std::move(object);
  }
  absl::StatusOr<std::vector<std::string>> arguments = EalArguments(options, eal->steer_object_);
  if (!arguments.ok()) return arguments.status();
  if (!eal->steer_object_.empty()) {
    absl::Status status = FreeForSteering(*arguments, eal->steer_object_, udp_port, leftovers);
    if (!status.ok()) return status;
  }
  if (absl::Status status = InitEal(*std::move(arguments)); !status.ok()) return status;
  eal->runs_ = true;
  return eal;
}

Eal::~Eal() {
  if (runs_) rte_eal_cleanup();
  if (!steer_object_.empty()) unlink(steer_object_.c_str());
}

}  // namespace relay
