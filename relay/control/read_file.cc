#include "relay/control/read_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/status/status.h"
#include "relay/control/text.h"

namespace relay {
namespace {

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

absl::Status CannotBeRead(const std::string& path) {
  return absl::NotFoundError(text::Cat(path, ": cannot be read: ", std::strerror(errno)));
}

}  // namespace

absl::StatusOr<std::string> ReadRegularFile(const std::string& path, size_t max_mib) {
  // Opening a FIFO that nobody writes to would wait without O_NONBLOCK; for a regular file it means nothing.
  const Descriptor file{open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)};
  struct stat about {};
  if (file.fd < 0 || fstat(file.fd, &about) != 0) return CannotBeRead(path);
  if (!S_ISREG(about.st_mode)) return absl::InvalidArgumentError(text::Cat(path, ": not a regular file"));
  const size_t max_bytes = max_mib << 20;
  std::string text;
  char block[65536];
  ssize_t size = 0;
  while (text.size() <= max_bytes && static_cast<size_t>(about.st_size) <= max_bytes) {
    size = read(file.fd, block, sizeof(block));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return CannotBeRead(path);
    if (size == 0) return text;
    text.append(block, static_cast<size_t>(size));
  }
  return absl::InvalidArgumentError(text::Cat(path, ": larger than ", max_mib, " MiB"));
}

}  // namespace relay
