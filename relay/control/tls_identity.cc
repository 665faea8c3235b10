#include "relay/control/tls_identity.h"

#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/context.hpp>

#include "absl/status/status.h"
#include "relay/control/read_file.h"
#include "relay/control/text.h"

namespace relay {
namespace {

namespace ssl = boost::asio::ssl;
using boost::system::error_code;

std::string IpText(const ASN1_OCTET_STRING& ip) {
  char text[INET6_ADDRSTRLEN] = "";
  const int family = ASN1_STRING_length(&ip) == 4 ? AF_INET : AF_INET6;
  if (family == AF_INET6 && ASN1_STRING_length(&ip) != 16) return "";
  inet_ntop(family, ASN1_STRING_get0_data(&ip), text, sizeof(text));
  return text;
}

// The subject's last, and so most specific, common name; empty: there is none, or one that no host can have.
std::string CommonName(const X509* certificate) {
  const X509_NAME* const subject = X509_get_subject_name(certificate);
  int last = -1;
  for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;) last = at;
  if (last < 0) return "";
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last)));
  if (size < 0) return "";
  std::string name = text::ToLower({reinterpret_cast<const char*>(utf8), static_cast<size_t>(size)});
  OPENSSL_free(utf8);
  return name.find('\0') == std::string::npos ? name : "";
}

// The alternative names. Only a certificate without any such name is known by its common name (RFC 6125 section 6.4.4).
std::vector<std::string> CertificateNames(const X509* certificate) {
  std::vector<std::string> names;
  auto* const list = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(list); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(list, i);
    if (name->type == GEN_DNS) {
      const ASN1_STRING* const dns = name->d.dNSName;
      const auto* const bytes = reinterpret_cast<const char*>(ASN1_STRING_get0_data(dns));
      names.push_back(text::ToLower(std::string_view(bytes, static_cast<size_t>(ASN1_STRING_length(dns)))));
    } else if (name->type == GEN_IPADD) {
      names.push_back(IpText(*name->d.iPAddress));
    }
  }
  GENERAL_NAMES_free(list);
  if (names.empty()) names.push_back(CommonName(certificate));
  std::erase(names, "");
  return names;
}

constexpr size_t kMaxFileMib = 1;

absl::Status WithPrefix(std::string_view prefix, const absl::Status& status) {
  return absl::Status(status.code(), text::Cat(prefix, std::string(status.message())));
}

}  // namespace

absl::StatusOr<TlsIdentity> LoadTlsIdentity(const std::string& cert_path, const std::string& key_path) {
  TlsIdentity identity{.context = std::make_shared<ssl::context>(ssl::context::tls_server), .names = {}};
  ssl::context& context = *identity.context;
  SSL_CTX* const native = context.native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_default_passwd_cb(native, [](char*, int, int, void*) { return 0; });  // Never ask the terminal.

  error_code ec;
  const absl::StatusOr<std::string> chain = ReadRegularFile(cert_path, kMaxFileMib);
  if (!chain.ok()) return WithPrefix("TLS certificate ", chain.status());
  context.use_certificate_chain(boost::asio::buffer(*chain), ec);
  if (ec) return absl::InvalidArgumentError(text::Cat("TLS certificate ", cert_path, ": ", ec.message()));
  absl::StatusOr<std::string> key = ReadRegularFile(key_path, kMaxFileMib);
  if (!key.ok()) return WithPrefix("TLS key ", key.status());
  context.use_private_key(boost::asio::buffer(*key), ssl::context::pem, ec);
  OPENSSL_cleanse(key->data(), key->size());
  if (ec) return absl::InvalidArgumentError(text::Cat("TLS key ", key_path, ": ", ec.message()));
  if (SSL_CTX_check_private_key(native) != 1) {
    return absl::InvalidArgumentError(text::Cat("TLS key ", key_path, " is not that of certificate ", cert_path));
  }
  identity.names = CertificateNames(SSL_CTX_get0_certificate(native));
  return identity;
}

}  // namespace relay
