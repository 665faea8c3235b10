#include "relay/control/tls_identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "relay/control/test_certificate.h"

namespace relay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(TlsIdentityTest, LoadsAPairAndItsNames) {
  const std::string cert = testing::TempDir() + "/id.crt", key = testing::TempDir() + "/id.key";
  WriteTestCertificate(cert, key, "DNS:Relay.Example,DNS:*.wild.example,IP:192.0.2.1,IP:2001:db8::1");
  const auto identity = LoadTlsIdentity(cert, key);
  ASSERT_TRUE(identity.ok()) << identity.status();
  EXPECT_THAT(identity->names, ElementsAre("relay.example", "*.wild.example", "192.0.2.1", "2001:db8::1"));
}

TEST(TlsIdentityTest, TheCommonNameCountsWhereThereIsNoAlternativeName) {
  const std::string cert = testing::TempDir() + "/cn.crt", key = testing::TempDir() + "/cn.key";
  const auto names = [&](const std::string& alternative, const std::string& common_name) {
    WriteTestCertificate(cert, key, alternative, common_name);
    return LoadTlsIdentity(cert, key).value().names;
  };
  EXPECT_THAT(names("", "Old.Example"), ElementsAre("old.example"));
  EXPECT_THAT(names("email:a@b.example", "old.example"), ElementsAre("old.example"));
  EXPECT_THAT(names("DNS:new.example", "old.example"), ElementsAre("new.example"));
  EXPECT_THAT(names("IP:192.0.2.1", "old.example"), ElementsAre("192.0.2.1"));
  EXPECT_THAT(names("", std::string("ours.example\0.theirs", 20)), ElementsAre());
  EXPECT_THAT(names("", ""), ElementsAre());
}

TEST(TlsIdentityTest, RefusesWhatIsNoPairInOneLine) {
  const std::string cert = testing::TempDir() + "/a.crt", key = testing::TempDir() + "/a.key";
  const std::string other_cert = testing::TempDir() + "/b.crt", other_key = testing::TempDir() + "/b.key";
  WriteTestCertificate(cert, key, "DNS:a.example");
  WriteTestCertificate(other_cert, other_key, "DNS:b.example");
  const std::string garbage = testing::TempDir() + "/garbage";
  std::ofstream(garbage) << "not PEM\n";
  struct Case {
    std::string cert, key, error;
  };
  for (const Case& c : {Case{cert, other_key, other_key}, Case{cert, "/nowhere/key", "TLS key /nowhere/key: "},
                        Case{"/nowhere/cert", key, "TLS certificate /nowhere/cert: "},
                        Case{garbage, key, "TLS certificate "}, Case{cert, garbage, "TLS key "}}) {
    const auto identity = LoadTlsIdentity(c.cert, c.key);
    ASSERT_FALSE(identity.ok()) << c.cert << ' ' << c.key;
    const std::string error(identity.status().message());
    EXPECT_THAT(error, HasSubstr(c.error));
    EXPECT_EQ(error.find('\n'), std::string::npos);
  }
}

}  // namespace
}  // namespace relay
