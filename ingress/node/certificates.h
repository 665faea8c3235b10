// The node's certificates, by name, as TLS servers need them; read again when their files change.
#ifndef RELAYD_INGRESS_NODE_CERTIFICATES_H_
#define RELAYD_INGRESS_NODE_CERTIFICATES_H_

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ingress/node/serve_config.h"

namespace ingress {

// A snapshot: never changes. A missing or bad certificate is no error of the whole: its name has no context, and so its
// handshakes fail.
class Certificates {
 public:
  struct Status {
    std::string name;
    std::string error;                 // Empty: it is good.
    std::optional<int64_t> not_after;  // Unix seconds.
  };

  // Reads all files. `before`: what did not change on disk keeps its context (and so its session tickets).
  static std::shared_ptr<const Certificates> Load(const std::vector<CertificateFiles>& files,
                                                  const Certificates* before);
  // Would Load find other files than this one did?
  bool IsStale(const std::vector<CertificateFiles>& files) const;

  // For a canonical server name; exact beats wildcard. nullptr: none. TLS 1.2 and newer, session tickets that every
  // context of that name takes (also across reloads), ALPN h2 and http/1.1 left to the caller's SSL.
  SSL_CTX* Find(std::string_view name) const;
  const std::vector<Status>& status() const;

 private:
  struct Entry;
  std::vector<std::shared_ptr<const Entry>> entries_;
  std::vector<Status> status_;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_CERTIFICATES_H_
