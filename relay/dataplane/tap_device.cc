#include "relay/dataplane/tap_device.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace relay {

namespace {

constexpr char kCloneDevice[] = "/dev/net/tun";

const char* Advice(int error) {
  switch (error) {
    case EPERM:
    case EACCES:
      return " (needs CAP_NET_ADMIN; or use --kernel_path=none)";
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return " (load the module `tun`; or use --kernel_path=none)";
    case EBUSY:
      return " (the name is in use: choose another --tap_prefix; or use --kernel_path=none)";
    default:
      return " (--kernel_path=none does without)";
  }
}

absl::Status Error(const std::string& name, const std::string& what, int error) {
  return absl::InternalError(
      absl::StrCat("TAP interface ", name, ": ", what, ": ", std::strerror(error), Advice(error)));
}

// A socket to ask for an interface's settings.
class Settings {
 public:
  explicit Settings(const std::string& name) : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    if (fd_ < 0) fd_ = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    std::memcpy(request_.ifr_name, name.c_str(), name.size());  // Its length was checked; the rest is zero.
  }
  ~Settings() {
    if (fd_ >= 0) close(fd_);
  }
  Settings(const Settings&) = delete;
  Settings& operator=(const Settings&) = delete;

  ifreq& request() { return request_; }
  bool Do(unsigned long what) { return ioctl(fd_, what, &request_) == 0; }

 private:
  int fd_;
  ifreq request_{};
};

}  // namespace

absl::StatusOr<TapDevice> TapDevice::Open(const Options& options) {
  if (options.name.empty() || options.name.size() >= IFNAMSIZ) {
    return absl::InvalidArgumentError(absl::StrCat("TAP interface ", options.name, ": a name has 1 to ", IFNAMSIZ - 1,
                                                   " bytes (choose another --tap_prefix)"));
  }
  const int fd = open(kCloneDevice, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return Error(options.name, absl::StrCat("cannot open ", kCloneDevice), errno);
  TapDevice out(fd);
  if (const absl::Status status = out.Create(options); !status.ok()) return status;
  if (const absl::Status status = out.Configure(options); !status.ok()) return status;
  return out;
}

absl::Status TapDevice::Create(const Options& options) {
  const std::string& name = options.name;
  if (options.interface != 0 && ioctl(fd_, TUNSETIFINDEX, &options.interface) != 0) {
    return Error(name, absl::StrCat("cannot have index ", options.interface), errno);
  }
  ifreq request{};
  std::memcpy(request.ifr_name, name.c_str(), name.size());
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  if (ioctl(fd_, TUNSETIFF, &request) != 0) {
    // What the kernel says of an interface of this name that is no TAP.
    const bool other_kind = errno == EINVAL && if_nametoindex(name.c_str()) != 0;
    if (other_kind) return Error(name, "cannot make it: there is one of another kind", EBUSY);
    return Error(name, "cannot make it", errno);
  }
  name_ = name;
  // A persistent interface may have been left with offloads, and then frames come with unfinished checksums.
  if (ioctl(fd_, TUNSETOFFLOAD, 0UL) != 0) return Error(name, "cannot turn its offloads off", errno);
  return absl::OkStatus();
}

absl::Status TapDevice::Configure(const Options& options) {
  Settings settings(name_);
  ifreq& request = settings.request();
  if (!settings.Do(SIOCGIFINDEX)) return Error(name_, "has no index", errno);
  interface_ = static_cast<uint32_t>(request.ifr_ifindex);

  const bool known = settings.Do(SIOCGIFHWADDR);
  if (!known || std::memcmp(request.ifr_hwaddr.sa_data, options.mac.data(), options.mac.size()) != 0) {
    request.ifr_hwaddr = {};
    request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
    std::memcpy(request.ifr_hwaddr.sa_data, options.mac.data(), options.mac.size());
    if (!settings.Do(SIOCSIFHWADDR)) return Error(name_, "cannot set its MAC address", errno);
  }
  if (!settings.Do(SIOCGIFMTU) || request.ifr_mtu != options.mtu) {
    request.ifr_mtu = options.mtu;
    if (!settings.Do(SIOCSIFMTU)) return Error(name_, absl::StrCat("cannot set its MTU to ", options.mtu), errno);
  }
  if (!settings.Do(SIOCGIFFLAGS)) return Error(name_, "has no flags", errno);
  if ((request.ifr_flags & IFF_UP) == 0) {
    request.ifr_flags = static_cast<int16_t>(request.ifr_flags | IFF_UP);
    if (!settings.Do(SIOCSIFFLAGS)) return Error(name_, "cannot set it up", errno);
  }
  return absl::OkStatus();
}

TapDevice::TapDevice(TapDevice&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), interface_(other.interface_), name_(std::move(other.name_)) {}

TapDevice& TapDevice::operator=(TapDevice&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(interface_, other.interface_);
  std::swap(name_, other.name_);
  return *this;
}

TapDevice::~TapDevice() {
  if (fd_ >= 0) close(fd_);
}

ssize_t TapDevice::Read(std::span<uint8_t> room) const {
  ssize_t length = 0;
  do length = read(fd_, room.data(), room.size());
  while (length < 0 && errno == EINTR);
  return length;
}

bool TapDevice::Write(std::span<const iovec> pieces) const {
  ssize_t length = 0;
  do length = writev(fd_, pieces.data(), static_cast<int>(pieces.size()));
  while (length < 0 && errno == EINTR);
  return length >= 0;
}

}  // namespace relay
