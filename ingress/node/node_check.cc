#include "ingress/node/node_check.h"

#include <string_view>

#include "ingress/node/certificates.h"
#include "ingress/node/funnel_figures.h"
#include "ingress/node/node_figures.h"
#include "ingress/node/serve_config.h"
#include "ingress/tcp_socket.h"
#include "relay/control/text.h"

namespace ingress {
namespace {

namespace text = relay::text;

NodeReport Refused(const absl::Status& status) {
  return {.out = {}, .err = text::Cat("funnel-node: ", std::string(status.message()), "\n"), .status = 2};
}

void CheckListen(const ServeConfig& config, NodeReport& report) {
  for (const AddrPort& addr : config.listen) {
    const absl::StatusOr<relay::Fd> fd = ListenTcp(addr, 1);
    if (fd.ok()) {
      text::AppendAll(report.out, "listen ", addr.ToString(), "\n");
      continue;
    }
    text::AppendAll(report.err, std::string(fd.status().message()), "\n");
    report.status = 1;
  }
}

void CheckCertificates(const ServeConfig& config, NodeReport& report) {
  const std::shared_ptr<const Certificates> certificates = Certificates::Load(config.certificates, nullptr);
  for (const Certificates::Status& status : certificates->status()) {
    if (!status.error.empty()) {
      text::AppendAll(report.err, "certificate ", status.name, ": ", status.error, "\n");
      report.status = 1;
      continue;
    }
    const auto days = static_cast<int64_t>(DaysLeft(status.not_after.value_or(0)));
    text::AppendAll(report.out, "certificate ", status.name, ": ", days, " days left\n");
    if (!status.warning.empty() || days < 0) {
      text::AppendAll(report.err, "certificate ", status.name, ": ", days < 0 ? "has ended" : status.warning, "\n");
      report.status = 1;
    }
  }
  // A name that is switched on and that no certificate is for.
  for (const auto& [target, on] : config.allow_funnel) {
    const std::string name = target.host.starts_with("*.") ? "any" + target.host.substr(1) : target.host;
    const auto port = config.tcp.find(target.port);
    const bool terminated = port != config.tcp.end() && (port->second.https || !port->second.terminate_tls.empty());
    if (!on || !terminated || certificates->Find(name) != nullptr) continue;
    text::AppendAll(report.err, "no certificate for ", target.ToString(), ": its handshakes will fail\n");
    report.status = 1;
  }
}

}  // namespace

NodeReport CheckNode(const NodeOptions& options) {
  const absl::StatusOr<ServeConfig> config = ServeConfig::Load(options.config, options.own);
  if (!config.ok()) return Refused(config.status());
  NodeReport report;
  const StatusText status = FormatStatus(*config);
  report.out = status.out;
  report.err = status.warnings;
  if (!status.warnings.empty()) report.status = 1;
  CheckListen(*config, report);
  CheckCertificates(*config, report);
  return report;
}

NodeReport ShowStatus(const NodeOptions& options) {
  const absl::StatusOr<ServeConfig> config = ServeConfig::Load(options.config, options.own);
  if (!config.ok()) return Refused(config.status());
  const StatusText status = FormatStatus(*config);
  return {.out = options.json ? FormatStatusJson(*config) : status.out, .err = status.warnings, .status = 0};
}

}  // namespace ingress
