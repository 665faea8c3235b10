// Which content a path leads to, as far as the file system tells without reading it.
#ifndef RELAYD_INGRESS_NODE_FILE_IDENTITY_H_
#define RELAYD_INGRESS_NODE_FILE_IDENTITY_H_

#include <sys/stat.h>

#include <cstdint>
#include <string>

namespace ingress {

// Through symbolic links, so that a link that is switched shows. All 0: nothing can be found there.
struct FileIdentity {
  uint64_t device = 0, inode = 0;
  int64_t size_bytes = 0;
  int64_t modified_s = 0, modified_ns = 0;

  // Before the file is read: what changes meanwhile then shows the next time.
  static FileIdentity Of(const std::string& path) {
    struct stat about {};
    if (stat(path.c_str(), &about) != 0) return {};
    return {.device = about.st_dev,
            .inode = about.st_ino,
            .size_bytes = about.st_size,
            .modified_s = about.st_mtim.tv_sec,
            .modified_ns = about.st_mtim.tv_nsec};
  }
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_FILE_IDENTITY_H_
