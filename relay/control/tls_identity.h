// The API's certificate and key.
#ifndef RELAYD_RELAY_CONTROL_TLS_IDENTITY_H_
#define RELAYD_RELAY_CONTROL_TLS_IDENTITY_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace boost::asio::ssl {
class context;
}

namespace relay {

struct TlsIdentity {
  std::shared_ptr<boost::asio::ssl::context> context;  // TLS 1.2 and newer.
  std::vector<std::string> names;                      // Lower-case: DNS names and IP addresses, or the CN.
};

// PEM files: a chain, leaf first, and its private key, without a passphrase. An error is one line.
absl::StatusOr<TlsIdentity> LoadTlsIdentity(const std::string& cert_path, const std::string& key_path);

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_TLS_IDENTITY_H_
