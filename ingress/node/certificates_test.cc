#include "ingress/node/certificates.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "relay/control/test_certificate.h"

namespace ingress {
namespace {

namespace fs = std::filesystem;

// A folder of its own, and the configuration's lines for files in it.
struct CertificatesTest : testing::Test {
  fs::path folder = fs::path(testing::TempDir()) / "certificates_test";
  CertificatesTest() {
    fs::remove_all(folder);
    fs::create_directories(folder);
  }
  ~CertificatesTest() override { fs::remove_all(folder); }

  std::string Path(const std::string& file) const { return (folder / file).string(); }
  CertificateFiles Files(const std::string& name, const std::string& stem = "a") const {
    return {.name = name, .cert = Path(stem + ".pem"), .key = Path(stem + ".key")};
  }
  void Write(const std::string& names, const std::string& stem = "a") const {
    relay::WriteTestCertificate(Path(stem + ".pem"), Path(stem + ".key"), names);
  }
  void WriteText(const std::string& file, const std::string& text) const { std::ofstream(Path(file)) << text; }
  std::string ReadText(const std::string& file) const {
    std::ifstream in(Path(file));
    return {std::istreambuf_iterator<char>(in), {}};
  }
};

struct Client {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_SESSION* session = nullptr;  // The newest ticket's.
  ~Client() {
    SSL_SESSION_free(session);
    SSL_CTX_free(context);
  }
};

// A handshake through memory, and one byte each way, behind which a TLS 1.3 ticket comes. Is it resumed? nullopt:
// failed.
std::optional<bool> Handshake(SSL_CTX* server_context, Client& client, int version = TLS1_3_VERSION) {
  SSL* const server = SSL_new(server_context);
  SSL* const peer = SSL_new(client.context);
  BIO *near = nullptr, *far = nullptr;
  BIO_new_bio_pair(&near, 0, &far, 0);
  SSL_set_bio(server, near, near);
  SSL_set_bio(peer, far, far);
  SSL_set_accept_state(server);
  SSL_set_connect_state(peer);
  SSL_set_min_proto_version(peer, version);
  SSL_set_max_proto_version(peer, version);
  if (client.session != nullptr) SSL_set_session(peer, client.session);
  char byte = 'x';
  bool done = false;
  for (int i = 0; i < 10 && !done; ++i) {
    SSL_do_handshake(peer);
    SSL_do_handshake(server);
    done = SSL_is_init_finished(peer) == 1 && SSL_is_init_finished(server) == 1;
  }
  std::optional<bool> resumed;
  if (done && SSL_write(server, &byte, 1) == 1 && SSL_read(peer, &byte, 1) == 1) {
    resumed = SSL_session_reused(peer) == 1;
    SSL_SESSION_free(client.session);
    client.session = SSL_get1_session(peer);
    SSL_set_shutdown(peer, SSL_SENT_SHUTDOWN);  // Else SSL_free makes the session one that cannot be resumed.
  }
  SSL_free(server);
  SSL_free(peer);
  return resumed;
}

TEST_F(CertificatesTest, ServesEachNameWithItsOwn) {
  Write("DNS:a.example.org");
  Write("DNS:*.example.org", "any");
  const auto certificates = Certificates::Load({Files("a.example.org"), Files("*.example.org", "any")}, nullptr);
  ASSERT_NE(certificates->Find("a.example.org"), nullptr);
  EXPECT_NE(certificates->Find("b.example.org"), nullptr);
  EXPECT_NE(certificates->Find("a.example.org"), certificates->Find("b.example.org"));
  for (const std::string_view none : {"example.org", "a.b.example.org", "other", ""}) {
    EXPECT_EQ(certificates->Find(none), nullptr) << none;
  }
  for (const Certificates::Status& status : certificates->status()) {
    EXPECT_EQ(status.error, "");
    EXPECT_EQ(status.warning, "");
    ASSERT_TRUE(status.not_after.has_value());
    EXPECT_NEAR(static_cast<double>(*status.not_after), static_cast<double>(std::time(nullptr)) + 3600, 120);
  }
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    Client client;
    EXPECT_EQ(Handshake(certificates->Find("a.example.org"), client, version), false);
  }
  Client old;
  SSL_CTX_set_security_level(old.context, 0);
  EXPECT_EQ(Handshake(certificates->Find("a.example.org"), old, TLS1_1_VERSION), std::nullopt);
}

TEST_F(CertificatesTest, TakesRsaKeysAndChains) {
  EVP_PKEY* const key = EVP_RSA_gen(2048);
  X509* const leaf = X509_new();
  X509_gmtime_adj(X509_getm_notBefore(leaf), 0);
  X509_gmtime_adj(X509_getm_notAfter(leaf), 60);
  X509_set_pubkey(leaf, key);
  X509_sign(leaf, key, EVP_sha256());
  Write("DNS:issuer.example", "issuer");
  std::FILE* const cert_file = std::fopen(Path("a.pem").c_str(), "w");
  std::FILE* const key_file = std::fopen(Path("a.key").c_str(), "w");
  PEM_write_X509(cert_file, leaf);
  PEM_write_PrivateKey(key_file, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(cert_file);
  std::fclose(key_file);
  X509_free(leaf);
  EVP_PKEY_free(key);
  std::ofstream(Path("a.pem"), std::ios::app) << ReadText("issuer.pem");
  const auto certificates = Certificates::Load({Files("a.example")}, nullptr);
  ASSERT_EQ(certificates->status()[0].error, "");
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs(certificates->Find("a.example"), &chain);
  EXPECT_EQ(sk_X509_num(chain), 1);
  Client client;
  EXPECT_EQ(Handshake(certificates->Find("a.example"), client), false);
}

TEST_F(CertificatesTest, WhatIsBadHasNoContextAndSaysWhy) {
  Write("DNS:a.example");
  Write("DNS:b.example", "b");
  WriteText("empty.pem", "");
  WriteText("text.pem", "no certificate\n");
  WriteText("cut.pem", ReadText("a.pem") + ReadText("b.pem").substr(0, 200) + "\n-----END CERTIFICATE-----\n");
  const auto load = [&](const std::string& cert, const std::string& key) {
    const auto certificates =
        Certificates::Load({{.name = "a.example", .cert = Path(cert), .key = Path(key)}}, nullptr);
    EXPECT_EQ(certificates->Find("a.example") == nullptr, !certificates->status()[0].error.empty());
    EXPECT_EQ(certificates->status()[0].not_after.has_value(), certificates->status()[0].error.empty());
    return certificates->status()[0].error;
  };
  EXPECT_EQ(load("a.pem", "a.key"), "");
  EXPECT_EQ(load("none.pem", "a.key"), Path("none.pem") + ": cannot be read: No such file or directory");
  EXPECT_EQ(load("a.pem", "none.key"), Path("none.key") + ": cannot be read: No such file or directory");
  EXPECT_TRUE(load("empty.pem", "a.key").starts_with(Path("empty.pem") + ": no PEM certificate"));
  EXPECT_TRUE(load("text.pem", "a.key").starts_with(Path("text.pem") + ": no PEM certificate"));
  EXPECT_TRUE(load("cut.pem", "a.key").starts_with(Path("cut.pem") + ": the chain is broken"));
  EXPECT_TRUE(load("a.key", "a.key").starts_with(Path("a.key") + ": no PEM certificate"));
  EXPECT_TRUE(load("a.pem", "a.pem").starts_with(Path("a.pem") + ": no PEM private key"));
  EXPECT_TRUE(load("a.pem", "b.key").starts_with(Path("b.key") + ": not the key of " + Path("a.pem")));
  EXPECT_TRUE(load(".", "a.key").ends_with(": not a regular file"));
  EXPECT_TRUE(load("a\n.pem", "a.key").starts_with(Path("a?.pem") + ": cannot be read"));
}

TEST_F(CertificatesTest, ABadOneBesideAGoodOne) {
  Write("DNS:a.example");
  const auto certificates = Certificates::Load({Files("bad.example", "none"), Files("*.example")}, nullptr);
  EXPECT_EQ(certificates->Find("bad.example"), nullptr);  // Not the wildcard's: that is not what the file says.
  EXPECT_NE(certificates->Find("good.example"), nullptr);
}

TEST_F(CertificatesTest, AnotherNameIsAWarning) {
  struct Case {
    std::string in_it, name;
    bool warns;
  };
  for (const Case& c :
       {Case{"DNS:a.example", "a.example", false}, Case{"DNS:a.example", "b.example", true},
        Case{"DNS:*.example.org", "b.example.org", false}, Case{"DNS:*.example.org", "*.example.org", false},
        Case{"DNS:a.example.org", "*.example.org", true}, Case{"DNS:A.Example", "a.example", false}}) {
    Write(c.in_it);
    const auto certificates = Certificates::Load({Files(c.name)}, nullptr);
    EXPECT_EQ(certificates->status()[0].error, "");
    EXPECT_EQ(certificates->status()[0].warning, c.warns ? Path("a.pem") + ": not a certificate for " + c.name : "");
    EXPECT_NE(certificates->Find(c.name.starts_with('*') ? "x" + c.name.substr(1) : c.name), nullptr);
  }
}

TEST_F(CertificatesTest, WhatStaysKeepsItsContext) {
  Write("DNS:a.example");
  Write("DNS:b.example", "b");
  const std::vector files = {Files("a.example"), Files("b.example", "b")};
  const auto first = Certificates::Load(files, nullptr);
  EXPECT_FALSE(first->IsStale(files));
  Write("DNS:b.example", "c");
  fs::rename(Path("c.pem"), Path("b.pem"));  // As renewals do.
  EXPECT_TRUE(first->IsStale(files));
  fs::rename(Path("c.key"), Path("b.key"));
  const auto second = Certificates::Load(files, first.get());
  EXPECT_FALSE(second->IsStale(files));
  EXPECT_EQ(second->Find("a.example"), first->Find("a.example"));
  EXPECT_NE(second->Find("b.example"), first->Find("b.example"));
  EXPECT_TRUE(second->IsStale({Files("a.example")}));
  EXPECT_TRUE(second->IsStale({Files("a.example"), Files("c.example", "b")}));
  EXPECT_TRUE(second->IsStale({Files("a.example"), Files("b.example", "a")}));
}

TEST_F(CertificatesTest, ASwitchedLinkIsSeen) {
  Write("DNS:a.example", "one");
  Write("DNS:a.example", "two");
  for (const char* end : {".pem", ".key"})
    fs::create_symlink(Path(std::string("one") + end), Path(std::string("a") + end));
  const std::vector files = {Files("a.example")};
  const auto first = Certificates::Load(files, nullptr);
  EXPECT_FALSE(first->IsStale(files));
  for (const char* end : {".pem", ".key"}) {
    fs::create_symlink(Path(std::string("two") + end), Path("next"));
    fs::rename(Path("next"), Path(std::string("a") + end));
  }
  EXPECT_TRUE(first->IsStale(files));
  const auto second = Certificates::Load(files, first.get());
  EXPECT_EQ(second->status()[0].error, "");
  EXPECT_NE(second->Find("a.example"), first->Find("a.example"));
}

TEST_F(CertificatesTest, TicketsAreGoodAcrossReloadsButNotForOtherNames) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    Write("DNS:a.example");
    Write("DNS:b.example", "b");
    const std::vector files = {Files("a.example"), Files("b.example", "b")};
    const auto first = Certificates::Load(files, nullptr);
    Client client;
    EXPECT_EQ(Handshake(first->Find("a.example"), client, version), false);
    EXPECT_EQ(Handshake(first->Find("a.example"), client, version), true);
    Write("DNS:a.example");
    const auto second = Certificates::Load(files, first.get());
    ASSERT_NE(second->Find("a.example"), first->Find("a.example"));
    EXPECT_EQ(Handshake(second->Find("a.example"), client, version), true);
    EXPECT_EQ(Handshake(second->Find("b.example"), client, version), false);
  }
}

// A renewal replaces certificate and key one behind the other. In between they are no pair.
TEST_F(CertificatesTest, ARenewalUnderWayKeepsTheOldContextForOneLoad) {
  Write("DNS:a.example");
  Write("DNS:a.example", "new");
  const std::vector files = {Files("a.example")};
  const auto before = Certificates::Load(files, nullptr);
  fs::rename(Path("new.pem"), Path("a.pem"));
  const auto between = Certificates::Load(files, before.get());
  EXPECT_EQ(between->Find("a.example"), before->Find("a.example"));
  EXPECT_TRUE(between->status()[0].error.find("not the key of") != std::string::npos);
  EXPECT_TRUE(between->status()[0].not_after.has_value());
  EXPECT_TRUE(between->IsStale(files));

  const auto late = Certificates::Load(files, between.get());  // Still so: it is simply bad.
  EXPECT_EQ(late->Find("a.example"), nullptr);
  EXPECT_FALSE(late->IsStale(files));

  fs::rename(Path("new.key"), Path("a.key"));
  for (const auto* old : {&between, &late}) {
    const auto after = Certificates::Load(files, old->get());
    EXPECT_EQ(after->status()[0].error, "");
    EXPECT_NE(after->Find("a.example"), nullptr);
    EXPECT_NE(after->Find("a.example"), before->Find("a.example"));
    EXPECT_FALSE(after->IsStale(files));
  }
}

}  // namespace
}  // namespace ingress
