#include "ingress/node/certificates.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "absl/status/status.h"
#include "ingress/node/file_identity.h"
#include "relay/control/read_file.h"
#include "relay/control/text.h"

namespace ingress {
namespace {

namespace text = relay::text;

constexpr size_t kMaxFileMib = 1;

struct Free {
  void operator()(SSL_CTX* p) const { SSL_CTX_free(p); }
  void operator()(BIO* p) const { BIO_free(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

// With OpenSSL's own reason, if it has one; clears it.
absl::Status Bad(std::string_view path, std::string_view what) {
  const unsigned long code = ERR_peek_last_error();
  const char* const reason = code != 0 ? ERR_reason_error_string(code) : nullptr;
  ERR_clear_error();
  return absl::InvalidArgumentError(
      text::Cat(path, ": ", what, reason != nullptr ? ": " : "", reason != nullptr ? reason : ""));
}

std::string OneLine(std::string s) {
  std::replace_if(
      s.begin(), s.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  return s;
}

Owned<BIO> Reader(const std::string& bytes) {
  return Owned<BIO>(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

int NoPassphrase(char*, int, int, void*) { return 0; }  // Never ask the terminal.

// The leaf, then whatever stands behind it.
absl::Status UseChain(SSL_CTX* context, const std::string& path) {
  const absl::StatusOr<std::string> bytes = relay::ReadRegularFile(path, kMaxFileMib);
  if (!bytes.ok()) return bytes.status();
  const Owned<BIO> in = Reader(*bytes);
  const Owned<X509> leaf(PEM_read_bio_X509_AUX(in.get(), nullptr, NoPassphrase, nullptr));
  if (leaf == nullptr) return Bad(path, "no PEM certificate");
  if (SSL_CTX_use_certificate(context, leaf.get()) != 1) return Bad(path, "the certificate cannot be used");
  while (Owned<X509> issuer{PEM_read_bio_X509(in.get(), nullptr, NoPassphrase, nullptr)}) {
    if (SSL_CTX_add1_chain_cert(context, issuer.get()) != 1) return Bad(path, "the chain cannot be used");
  }
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) return Bad(path, "the chain is broken");
  ERR_clear_error();  // Its end.
  return absl::OkStatus();
}

absl::Status UseKey(SSL_CTX* context, const std::string& path, const std::string& cert_path) {
  absl::StatusOr<std::string> bytes = relay::ReadRegularFile(path, kMaxFileMib);
  if (!bytes.ok()) return bytes.status();
  const Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(Reader(*bytes).get(), nullptr, NoPassphrase, nullptr));
  OPENSSL_cleanse(bytes->data(), bytes->size());
  if (key == nullptr) return Bad(path, "no PEM private key without a passphrase");
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    return Bad(path, text::Cat("not the key of ", cert_path));
  }
  return absl::OkStatus();
}

Owned<SSL_CTX> NewContext(std::string_view name) {
  Owned<SSL_CTX> context(SSL_CTX_new(TLS_server_method()));
  if (context == nullptr) return nullptr;
  SSL_CTX* const c = context.get();
  SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
  SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  // An idle connection holds no buffers. The chain is what the file says: without NO_AUTO_CHAIN, each handshake would
  // build one for a leaf that stands alone.
  SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                          SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_read_ahead(c, 1);                           // One read for several records.
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);  // Tickets alone: nothing is kept for clients that are gone.
  SSL_CTX_set_num_tickets(c, 1);                          // Each costs; a client that resumes gets the next one then.
  // X25519 is by far the fastest. The hybrid exists since OpenSSL 3.5, and the client chooses.
  if (SSL_CTX_set1_groups_list(c, "X25519:X25519MLKEM768:P-256:P-384") != 1) {
    SSL_CTX_set1_groups_list(c, "X25519:P-256:P-384");
    ERR_clear_error();
  }
  // A ticket is good for this name alone, whichever context of the name gave it.
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(name.data()), name.size(), digest);
  static_assert(sizeof(digest) <= SSL_MAX_SID_CTX_LENGTH);
  SSL_CTX_set_session_id_context(c, digest, sizeof(digest));
  return context;
}

void CopyTicketKeys(SSL_CTX* from, SSL_CTX* to) {
  unsigned char keys[256];
  const long size = SSL_CTX_get_tlsext_ticket_keys(from, nullptr, 0);  // Asks for their size.
  if (size > 0 && size <= static_cast<long>(sizeof(keys)) && SSL_CTX_get_tlsext_ticket_keys(from, keys, size) == 1) {
    SSL_CTX_set_tlsext_ticket_keys(to, keys, size);
  }
  OPENSSL_cleanse(keys, sizeof(keys));
}

// Is it what a client accepts for `name`? For a wildcard: for any label in front.
bool IsFor(X509* certificate, std::string_view name) {
  const std::string host = name.starts_with('*') ? text::Cat("any-label", name.substr(1)) : std::string(name);
  return X509_check_host(certificate, host.data(), host.size(), 0, nullptr) == 1;
}

std::optional<int64_t> NotAfter(const X509* certificate) {
  std::tm time{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &time) != 1) return std::nullopt;
  return timegm(&time);
}

absl::StatusOr<Owned<SSL_CTX>> LoadContext(const CertificateFiles& files) {
  ERR_clear_error();
  Owned<SSL_CTX> context = NewContext(files.name);
  if (context == nullptr) return Bad(files.cert, "no TLS context");
  if (absl::Status bad = UseChain(context.get(), files.cert); !bad.ok()) return bad;
  if (absl::Status bad = UseKey(context.get(), files.key, files.cert); !bad.ok()) return bad;
  return context;
}

}  // namespace

struct Certificates::Entry {
  CertificateFiles files;
  FileIdentity cert, key;
  Owned<SSL_CTX> context;     // nullptr: none; never changed.
  bool on_probation = false;  // `context` is the one before; the files were bad when they were looked at.
  Status status;

  bool IsOf(const CertificateFiles& other) const {
    return files.name == other.name && files.cert == other.cert && files.key == other.key;
  }
  bool IsUnchanged(const CertificateFiles& other) const {
    return IsOf(other) && cert == FileIdentity::Of(files.cert) && key == FileIdentity::Of(files.key);
  }

  // `before` is of the same name; nullptr: there was none.
  static std::shared_ptr<const Entry> Load(const CertificateFiles& files, const Entry* before) {
    auto entry = std::make_shared<Entry>();
    entry->files = files;
    entry->cert = FileIdentity::Of(files.cert);
    entry->key = FileIdentity::Of(files.key);
    entry->status.name = files.name;
    absl::StatusOr<Owned<SSL_CTX>> context = LoadContext(files);
    if (!context.ok()) {
      entry->status.error = OneLine(std::string(context.status().message()));
      const bool had_its_time = before != nullptr && before->on_probation && before->IsOf(files) &&
                                before->cert == entry->cert && before->key == entry->key;
      if (before == nullptr || before->context == nullptr || had_its_time) return entry;
      SSL_CTX_up_ref(before->context.get());
      entry->context.reset(before->context.get());
      entry->on_probation = true;
    } else {
      entry->context = *std::move(context);
      if (before != nullptr && before->context != nullptr) {
        CopyTicketKeys(before->context.get(), entry->context.get());
      }
    }
    X509* const leaf = SSL_CTX_get0_certificate(entry->context.get());
    entry->status.not_after = NotAfter(leaf);
    if (entry->status.error.empty() && !IsFor(leaf, files.name)) {
      entry->status.warning = OneLine(text::Cat(files.cert, ": not a certificate for ", files.name));
    }
    return entry;
  }
};

std::shared_ptr<const Certificates> Certificates::Load(const std::vector<CertificateFiles>& files,
                                                       const Certificates* before) {
  auto out = std::make_shared<Certificates>();
  for (const CertificateFiles& one : files) {
    std::shared_ptr<const Entry> old;
    if (before != nullptr) {
      const auto found = before->entries_.find(one.name);
      if (found != before->entries_.end()) old = found->second;
    }
    const bool stays = old != nullptr && !old->on_probation && old->IsUnchanged(one);
    const auto place = out->entries_.insert_or_assign(one.name, stays ? old : Entry::Load(one, old.get())).first;
    out->status_.push_back(place->second->status);
  }
  return out;
}

bool Certificates::IsStale(const std::vector<CertificateFiles>& files) const {
  if (files.size() != entries_.size()) return true;
  return std::any_of(files.begin(), files.end(), [this](const CertificateFiles& one) {
    const auto entry = entries_.find(one.name);
    return entry == entries_.end() || entry->second->on_probation || !entry->second->IsUnchanged(one);
  });
}

SSL_CTX* Certificates::Find(std::string_view name) const {
  auto entry = entries_.find(name);
  if (const size_t dot = name.find('.'); entry == entries_.end() && dot != name.npos) {
    entry = entries_.find(text::Cat("*", name.substr(dot)));
  }
  return entry != entries_.end() ? entry->second->context.get() : nullptr;
}

}  // namespace ingress
