#include "ingress/node/open_beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <vector>

#include "relay/control/text.h"

namespace ingress {
namespace {

constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

const char* OrItself(const std::string& path) { return path.empty() ? "." : path.c_str(); }

}  // namespace

relay::Fd OpenBeneath(int folder, const std::string& path) {
  open_how how{};
  how.flags = kFlags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  static constexpr int kTries = 16;  // EAGAIN: something was renamed meanwhile, and the kernel could not be sure.
  long fd = -1;
  for (int i = 0; i < kTries && fd < 0; ++i) {
    fd = syscall(SYS_openat2, folder, OrItself(path), &how, sizeof(how));
    if (fd < 0 && errno != EAGAIN) break;
  }
  // EPERM: a filter of system calls that does not know this one.
  if (fd < 0 && (errno == ENOSYS || errno == EPERM)) return OpenBeneathByWalking(folder, path);
  return relay::Fd(static_cast<int>(fd));
}

relay::Fd OpenBeneathByWalking(int folder, const std::string& path) {
  relay::Fd at(openat(folder, ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  std::vector<std::string> names;
  for (const std::string_view name : relay::text::Split(path, '/')) {
    if (name == "..") {
      errno = EXDEV;
      return {};
    }
    if (!name.empty() && name != ".") names.emplace_back(name);
  }
  for (size_t i = 0; at.get() >= 0 && i < names.size(); ++i) {
    const bool last = i + 1 == names.size();
    const int flags = last ? kFlags | O_NOFOLLOW : O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    at = relay::Fd(openat(at.get(), names[i].c_str(), flags));
  }
  return names.empty() && at.get() >= 0 ? relay::Fd(openat(at.get(), ".", kFlags | O_DIRECTORY)) : std::move(at);
}

}  // namespace ingress
