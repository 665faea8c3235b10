// For tests: a self-signed certificate and its key, thrown away afterwards.
#ifndef RELAYD_RELAY_CONTROL_TEST_CERTIFICATE_H_
#define RELAYD_RELAY_CONTROL_TEST_CERTIFICATE_H_

#include <string>

namespace relay {

// Writes PEM files for the alternative names in OpenSSL's form ("DNS:a.example,IP:192.0.2.1"); either may be empty.
// Replaces what is there.
void WriteTestCertificate(const std::string& cert_path, const std::string& key_path, const std::string& names,
                          const std::string& common_name = "");

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_TEST_CERTIFICATE_H_
