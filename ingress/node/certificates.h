// The node's certificates, by name, as TLS servers need them; read again when their files change.
#ifndef RELAYD_INGRESS_NODE_CERTIFICATES_H_
#define RELAYD_INGRESS_NODE_CERTIFICATES_H_

#include <openssl/ssl.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ingress/node/serve_config.h"

namespace ingress {

// A snapshot: never changes. A missing or bad certificate is no error of the whole: its name has no context, and so its
// handshakes fail. Where there was a good one before, the bad one gets until the next Load to become good, with the old
// context in use: a renewal replaces two files, one behind the other.
class Certificates {
 public:
  struct Status {
    std::string name;
    std::string error;                 // One line, with the file's path; empty: it is good.
    std::string warning;               // Of a good one: it is not a certificate for `name`, as clients see it.
    std::optional<int64_t> not_after;  // Unix seconds.
  };

  // Reads all files. `before`: what did not change on disk keeps its context, and what did its session ticket keys.
  static std::shared_ptr<const Certificates> Load(const std::vector<CertificateFiles>& files,
                                                  const Certificates* before);
  // Would Load come to something else than this one did? Files are told by device, inode, size and time.
  bool IsStale(const std::vector<CertificateFiles>& files) const;

  // For a canonical server name; exact beats wildcard. nullptr: none. TLS 1.2 and newer, session tickets that every
  // context of that name takes (also across reloads), ALPN h2 and http/1.1 left to the caller's SSL. An SSL made of it
  // keeps it alive. Whether the hello's name is the target's is the caller's to check, resumed sessions included.
  SSL_CTX* Find(std::string_view name) const;
  const std::vector<Status>& status() const { return status_; }  // In the order of `files`.

 private:
  struct Entry;
  std::map<std::string, std::shared_ptr<const Entry>, std::less<>> entries_;  // By name.
  std::vector<Status> status_;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_CERTIFICATES_H_
