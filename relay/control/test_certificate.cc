#include "relay/control/test_certificate.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>

namespace relay {

void WriteTestCertificate(const std::string& cert_path, const std::string& key_path, const std::string& names,
                          const std::string& common_name) {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  X509* const certificate = X509_new();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  if (!names.empty()) {
    X509_EXTENSION* const san = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str());
    ASSERT_NE(san, nullptr);
    X509_add_ext(certificate, san, -1);
    X509_EXTENSION_free(san);
  }
  if (!common_name.empty()) {
    const auto* const bytes = reinterpret_cast<const unsigned char*>(common_name.data());
    X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate), NID_commonName, MBSTRING_UTF8, bytes,
                               static_cast<int>(common_name.size()), -1, 0);
  }
  ASSERT_GT(X509_sign(certificate, key, EVP_sha256()), 0);

  std::FILE* const cert_file = std::fopen(cert_path.c_str(), "w");
  std::FILE* const key_file = std::fopen(key_path.c_str(), "w");
  ASSERT_TRUE(cert_file != nullptr && key_file != nullptr);
  EXPECT_EQ(PEM_write_X509(cert_file, certificate), 1);
  EXPECT_EQ(PEM_write_PrivateKey(key_file, key, nullptr, nullptr, 0, nullptr, nullptr), 1);
  std::fclose(cert_file);
  std::fclose(key_file);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

}  // namespace relay
