#include "relay/ctl/funnel_check.h"

#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "relay/client/api_client.h"
#include "relay/client/connection.h"
#include "relay/ctl/top_render.h"

namespace relay::ctl {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using client::Connection;
using client::Describe;
using Clock = std::chrono::steady_clock;

constexpr uint64_t kMaxBody = 4096;
constexpr unsigned kSwitchingProtocols = 101;

// What `write` prints into a BIO.
template <typename Write>
std::string FromBio(Write write) {
  const std::unique_ptr<BIO, int (*)(BIO*)> bio(BIO_new(BIO_s_mem()), BIO_free);
  write(bio.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return Printable(std::string(data, size > 0 ? static_cast<size_t>(size) : 0));
}

std::string NameOf(const X509_NAME* name) {
  return FromBio([&](BIO* bio) { X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253); });
}

std::vector<std::string> AlternativeNames(X509* certificate) {
  std::vector<std::string> names;
  auto* const all = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; all != nullptr && i < sk_GENERAL_NAME_num(all); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(all, i);
    if (name->type != GEN_DNS) continue;
    const ASN1_IA5STRING* const text = name->d.dNSName;
    names.push_back(Printable(std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                                          static_cast<size_t>(ASN1_STRING_length(text)))));
  }
  GENERAL_NAMES_free(all);
  return names;
}

// The node's answer. False: there was none, or it was a refusal.
bool Ask(Connection& connection, const NodeCheck& check, NodeReport& report) {
  const tcp::endpoint own = connection.local_endpoint();
  const std::string ip = own.address().to_string();
  const std::string source = absl::StrCat(own.address().is_v6() ? absl::StrCat("[", ip, "]") : ip, ":", own.port());
  const std::string request = absl::StrFormat(
      "POST /v0/ingress HTTP/1.1\r\nHost: %s\r\nTailscale-Ingress-Src: %s\r\nTailscale-Ingress-Target: %s\r\n"
      "Content-Length: 0\r\n\r\n",
      check.node.ToString(), source, check.target.ToString());
  client::HttpResponse response;
  const error_code ec = connection.Exchange(request, kMaxBody, response);
  report.status = response.status;
  if (report.status == 0) {
    report.error = absl::StrCat("no answer: ", Describe(ec));
  } else if (report.status != kSwitchingProtocols) {
    report.answered = client::DescribeRefusal(response);
    report.error = absl::StrCat("the node answered ", report.answered);
  } else {
    report.answered = absl::StrCat(report.status);
    if (connection.has_surplus()) report.error = "the node sent bytes ahead of TLS";
  }
  return report.error.empty();
}

}  // namespace

CertificateReport CertificateReport::Of(X509* certificate, const std::string& name) {
  CertificateReport report;
  report.subject = NameOf(X509_get_subject_name(certificate));
  report.issuer = NameOf(X509_get_issuer_name(certificate));
  report.names = AlternativeNames(certificate);
  const ASN1_TIME* const not_after = X509_get0_notAfter(certificate);
  report.not_after = FromBio([&](BIO* bio) { ASN1_TIME_print(bio, not_after); });
  int days = 0, seconds = 0;
  if (ASN1_TIME_diff(&days, &seconds, nullptr, not_after) == 1) report.days_left = seconds < 0 ? days - 1 : days;
  report.in_date = X509_cmp_current_time(X509_get0_notBefore(certificate)) < 0 && X509_cmp_current_time(not_after) > 0;
  // A subject alone names nothing, as clients have it today.
  report.names_target =
      X509_check_host(certificate, name.data(), name.size(), X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, nullptr) == 1;
  return report;
}

std::string NodeReport::Fault() const {
  if (!error.empty()) return error;
  if (!certificate) return "no certificate";
  if (!certificate->names_target) return "the certificate does not name it";
  return certificate->in_date ? "" : "the certificate is not in date";
}

NodeReport CheckNode(const NodeCheck& check) {
  NodeReport report;
  report.node = check.node;
  Clock::time_point began = Clock::now();
  const auto lap = [&] {
    const Clock::time_point before = std::exchange(began, Clock::now());
    return std::chrono::duration_cast<std::chrono::microseconds>(began - before);
  };
  const auto end = [&](const std::string& why) {
    report.error = why;
    return report;
  };
  error_code ec;
  asio::ssl::context tls(asio::ssl::context::tls_client);
  check.ca_file.empty() ? tls.set_default_verify_paths(ec) : tls.load_verify_file(check.ca_file, ec);
  if (ec) return end(absl::StrCat("cannot read ", check.ca_file, ": ", ec.message()));
  tls.set_verify_mode(asio::ssl::verify_none);  // It is looked at, whatever it is.
  Connection connection(tls);
  const tcp::endpoint node(asio::ip::make_address(check.node.IpToString(), ec), check.node.port);
  connection.ExpireAfter(check.timeout);
  lap();  // Reading all CAs that are trusted took its time.
  if (!ec) ec = connection.Connect({node});
  report.dial = lap();
  if (ec) return end(absl::StrCat("no connection: ", Describe(ec)));

  connection.ExpireAfter(check.timeout);
  const bool taken = Ask(connection, check, report);
  report.answer = lap();
  if (!taken) return report;

  connection.ExpireAfter(check.timeout);
  ec = connection.StartTls(check.target.name);
  report.handshake = lap();
  if (ec) return end(absl::StrCat("no TLS: ", Printable(Describe(ec))));
  SSL* const ssl = connection.ssl();
  report.tls_version = SSL_get_version(ssl);
  const std::unique_ptr<X509, void (*)(X509*)> certificate(SSL_get1_peer_certificate(ssl), X509_free);
  if (certificate != nullptr) report.certificate = CertificateReport::Of(certificate.get(), check.target.name);
  if (const long verified = SSL_get_verify_result(ssl); verified != X509_V_OK) {
    report.distrust = X509_verify_cert_error_string(verified);
  }
  return report;
}

std::string FormatNodeReport(const NodeReport& report, bool healthy) {
  std::string text;
  const auto line = [&](const char* name, const std::string& value) {
    absl::StrAppendFormat(&text, "%-10s %s\n", name, value);
  };
  const auto ms = [](std::chrono::microseconds time) {
    return absl::StrFormat("%.1f ms", static_cast<double>(time.count()) / 1000);
  };
  line("node", absl::StrCat(report.node.ToString(), healthy ? ", healthy" : ", unhealthy", " in relayd's eyes"));
  line("  dial", ms(report.dial));
  if (report.status != 0) line("  answer", absl::StrCat(report.answered, ", ", ms(report.answer)));
  if (report.certificate) {
    const CertificateReport& c = *report.certificate;
    line("  tls", absl::StrCat(report.tls_version, ", ", ms(report.handshake)));
    line("  subject", c.subject.empty() ? "-" : c.subject);
    line("  names", c.names.empty() ? "-" : absl::StrJoin(c.names, ", "));
    line("  issuer", c.issuer.empty() ? "-" : c.issuer);
    line("  until", absl::StrCat(c.not_after, ", ", c.days_left, " days left"));
    line("  trusted", report.distrust.empty() ? "yes" : absl::StrCat("no: ", report.distrust));
  }
  const std::string fault = report.Fault();
  line("  serves", fault.empty() ? "yes" : absl::StrCat("no: ", fault));
  return text;
}

}  // namespace relay::ctl
