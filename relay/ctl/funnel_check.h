// Asks a node for a public name as an ingress does, and looks at the certificate that it shows.
#ifndef RELAYD_RELAY_CTL_FUNNEL_CHECK_H_
#define RELAYD_RELAY_CTL_FUNNEL_CHECK_H_

#include <openssl/x509.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "disco/addr_port.h"
#include "relay/ctl/funnel_routes.h"

namespace relay::ctl {

// Texts are safe to print.
struct CertificateReport {
  std::string subject, issuer, not_after;
  std::vector<std::string> names;  // Alternative ones.
  int64_t days_left = 0;           // Negative once it has expired.
  bool names_target = false;
  bool in_date = false;

  static CertificateReport Of(X509* certificate, const std::string& name);
};

struct NodeReport {
  disco::AddrPort node;
  std::string error;  // Where it ended, if not at the certificate.
  std::chrono::microseconds dial{0}, answer{0}, handshake{0};
  unsigned status = 0;   // Of the node's answer.
  std::string answered;  // "101", or "403: denied".
  std::string tls_version;
  std::optional<CertificateReport> certificate;
  std::string distrust;  // Why the authorities do not vouch for it; empty: they do.

  // Why a public client would not be served; empty: it would, if it trusts whom we trust.
  std::string Fault() const;
};

struct NodeCheck {
  disco::AddrPort node;
  FunnelTarget target;
  std::string ca_file;                                          // Empty: the system's authorities.
  std::chrono::milliseconds timeout = std::chrono::seconds(5);  // For the dial, the answer and the handshake, each.
};
NodeReport CheckNode(const NodeCheck& check);

// Lines. `healthy`: in relayd's eyes.
std::string FormatNodeReport(const NodeReport& report, bool healthy);

}  // namespace relay::ctl

#endif  // RELAYD_RELAY_CTL_FUNNEL_CHECK_H_
