#include "relay/control/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/sha.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

namespace relay {
namespace {

// SHA-256 of "s3cret".
constexpr std::string_view kSecretSha256 = "1ec1c26b50d5d3c58d9583181af8076655fe00756bf7285940ba3670f99fcba0";

AddrPort Addr(std::string_view text) { return AddrPort::Parse(text).value(); }

Policy Parsed(std::string_view json) {
  absl::StatusOr<Policy> policy = Policy::Parse(json, "policy.json");
  EXPECT_TRUE(policy.ok()) << policy.status();
  return *std::move(policy);
}

TEST(PolicyTest, TheLongestPrefixDecides) {
  const Policy policy = Parsed(R"({"peers": [
      {"prefix": "198.19.0.0/16", "name": "lab", "capabilities": ["relay"]},
      {"prefix": "198.19.0.9/32", "capabilities": ["ingress", "connector:crm", "admin"]},
      {"prefix": "2001:db8::/32", "capabilities": ["admin"]},
      {"prefix": "0.0.0.0/0", "capabilities": []}]})");
  const Grant lab = policy.Find(Addr("198.19.1.1:5"), "");
  EXPECT_TRUE(lab.Has(Capability::kRelay));
  EXPECT_FALSE(lab.Has(Capability::kAdmin));
  const Grant nine = policy.Find(Addr("[::ffff:198.19.0.9]:5"), "");
  EXPECT_FALSE(nine.Has(Capability::kRelay));
  EXPECT_TRUE(nine.Has(Capability::kIngress));
  EXPECT_TRUE(nine.HasConnector("crm"));
  EXPECT_FALSE(nine.HasConnector("erp"));
  EXPECT_TRUE(policy.Find(Addr("[2001:db8::7]:5"), "").Has(Capability::kAdmin));
  EXPECT_FALSE(policy.Find(Addr("127.0.0.1:5"), "").Has(Capability::kRelay));
  EXPECT_FALSE(policy.Find(Addr("[2001:db9::7]:5"), "").Has(Capability::kRelay));
  EXPECT_TRUE(policy.Find(Addr("127.0.0.1:5"), "").Has(Capability::kNone));
  EXPECT_FALSE(policy.refuses_proxied());
}

TEST(PolicyTest, ATokenAddsToItsPrefix) {
  const Policy policy = Parsed(R"({"peers": [{"prefix": "192.0.2.0/24", "capabilities": ["relay"]}], "tokens": [
      {"name": "bob", "sha256": ")" +
                               std::string(64, '0') + R"(", "capabilities": ["ingress"]},
      {"name": "alice", "sha256": ")" +
                               std::string(kSecretSha256) + R"(", "capabilities": ["admin", "connector:a"]}]})");
  const Grant grant = policy.Find(Addr("192.0.2.1:5"), "s3cret");
  EXPECT_EQ(grant.token_name, "alice");
  EXPECT_TRUE(grant.Has(Capability::kRelay));
  EXPECT_TRUE(grant.Has(Capability::kAdmin));
  EXPECT_FALSE(grant.Has(Capability::kIngress));
  EXPECT_TRUE(grant.HasConnector("a"));
  EXPECT_TRUE(policy.Find(Addr("203.0.113.1:5"), "s3cret").Has(Capability::kAdmin));
  EXPECT_EQ(policy.Find(Addr("192.0.2.1:5"), "s3cret ").token_name, "");
  EXPECT_FALSE(policy.Find(Addr("203.0.113.1:5"), "").Has(Capability::kAdmin));
}

TEST(PolicyTest, WithoutAFileLoopbackMayDoEverything) {
  const Policy policy = Policy::LoopbackOnly();
  for (const std::string_view loopback : {"127.0.0.1:1", "127.255.0.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"}) {
    const Grant grant = policy.Find(Addr(loopback), "");
    EXPECT_TRUE(grant.Has(Capability::kRelay) && grant.Has(Capability::kAdmin) && grant.Has(Capability::kIngress));
    EXPECT_TRUE(grant.HasConnector("any"));
  }
  for (const std::string_view other : {"192.0.2.1:1", "[2001:db8::1]:1", "[::2]:1", "[::]:1", "126.255.255.255:1"}) {
    EXPECT_FALSE(policy.Find(Addr(other), "").Has(Capability::kRelay)) << other;
  }
  EXPECT_TRUE(policy.refuses_proxied());
}

TEST(PolicyTest, WrongPoliciesAreRefusedWithFileLineAndReason) {
  struct Case {
    std::string json, error;
  };
  const std::string token = R"({"name":"a","sha256":")" + std::string(kSecretSha256) + R"(","capabilities":[]})";
  const Case cases[] = {
      {"[]", "p:1: the policy is not an object"},
      {"{\n\"peer\": []}", "p:2: unknown field \"peer\" in the policy"},
      {"{\"peers\": {}}", "p:1: \"peers\" is not a list"},
      {"{\"peers\": [\n1]}", "p:2: a peer is not an object"},
      {"{\"peers\": [{\"prefix\":\"::/0\",\n\"capabilities\":[],\n\"caps\":1}]}",
       "p:3: unknown field \"caps\" in a peer"},
      {"{\"peers\": [\n{\"capabilities\":[]}]}", "p:2: a peer has no \"prefix\""},
      {"{\"peers\": [{\"prefix\":\"::/0\"}]}", "p:1: a peer has no \"capabilities\""},
      {"{\"peers\": [{\"prefix\":\"10.0.0.0/33\",\"capabilities\":[]}]}",
       "p:1: \"10.0.0.0/33\" is not a prefix (such as 192.0.2.0/24)"},
      {"{\"peers\": [{\"prefix\":\"10.0.0.0/8\",\"capabilities\":[\n\"relay\",\n\"root\"]}]}",
       "p:3: unknown capability \"root\" (there are relay, admin, ingress and connector:<app>)"},
      {"{\"peers\": [{\"prefix\":\"10.0.0.0/8\",\"capabilities\":[\"connector:\"]}]}",
       "p:1: unknown capability \"connector:\" (there are relay, admin, ingress and connector:<app>)"},
      {"{\"peers\": [{\"prefix\":\"10.0.0.0/8\",\"capabilities\":[\"relay\",\"relay\"]}]}",
       "p:1: capability \"relay\" stands here twice"},
      {"{\"peers\": "
       "[{\"prefix\":\"10.1.0.0/8\",\"capabilities\":[]},\n{\"prefix\":\"10.2.0.0/8\",\"capabilities\":[]}]}",
       "p:2: prefix 10.0.0.0/8 stands here twice"},
      {"{\"tokens\": [{\"name\":\"a\",\"sha256\":\"12\",\"capabilities\":[]}]}",
       "p:1: \"sha256\" is not 64 hexadecimal digits"},
      {"{\"tokens\": [" + token + ",\n" + token + "]}", "p:2: token \"a\" stands here twice"},
      {"{\"tokens\": [{\"name\":\"b\"," + token.substr(12) + ",\n" + token + "]}",
       "p:2: tokens \"b\" and \"a\" have one \"sha256\""},
      {"{\"tokens\": [],\n\"tokens\": []}", "p:2: \"tokens\" stands here twice"},
      {"{\"funnel\": {\"rout\": []}}", "p:1: unknown field \"rout\" in \"funnel\""},
  };
  for (const Case& c : cases) {
    const auto policy = Policy::Parse(c.json, "p");
    ASSERT_FALSE(policy.ok()) << c.json;
    EXPECT_EQ(policy.status().message(), c.error);
  }
}

// A hundred thousand tokens: compared each with each, they would take minutes to read and to look up.
TEST(PolicyTest, TokensMayBeMany) {
  constexpr uint32_t kTokens = 100'000;
  std::string json = R"({"tokens":[)";
  const auto secret = [](uint32_t i) { return "secret-" + std::to_string(i); };
  for (uint32_t i = 0; i < kTokens; ++i) {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256(reinterpret_cast<const unsigned char*>(secret(i).data()), secret(i).size(), digest);
    json += (i == 0 ? R"({"name":"t)" : R"(,{"name":"t)") + std::to_string(i) + R"(","sha256":")";
    for (const unsigned char byte : digest) {
      json += "0123456789abcdef"[byte >> 4];
      json += "0123456789abcdef"[byte & 15];
    }
    json += R"(","capabilities":["relay"]})";
  }
  const Policy policy = Parsed(json + "]}");
  for (uint32_t i = 0; i < kTokens; ++i) {
    ASSERT_EQ(policy.Find(Addr("192.0.2.1:5"), secret(i)).token_name, "t" + std::to_string(i));
  }
  EXPECT_EQ(policy.Find(Addr("192.0.2.1:5"), secret(kTokens)).token_name, "");
}

TEST(PolicyTest, LoadsAFileAndSaysWhatIsWrongWithIt) {
  const std::string path = testing::TempDir() + "/policy.json";
  std::ofstream(path) << "{\"peers\": [{\"prefix\": \"::1/128\", \"capabilities\": [\"admin\"]}]}\n";
  const auto policy = Policy::Load(path);
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_TRUE(policy->Find(Addr("[::1]:5"), "").Has(Capability::kAdmin));
  std::remove(path.c_str());
  EXPECT_EQ(Policy::Load(path).status().message(), path + ": cannot be read: No such file or directory");
  EXPECT_EQ(Policy::Load(testing::TempDir()).status().message(), testing::TempDir() + ": not a regular file");
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  alarm(30);  // Whoever opens a FIFO to read it waits for a writer.
  EXPECT_EQ(Policy::Load(path).status().message(), path + ": not a regular file");
  alarm(0);
  std::remove(path.c_str());
  std::ofstream(path) << "{}";
  ASSERT_EQ(truncate(path.c_str(), (64 << 20) + 1), 0);
  EXPECT_EQ(Policy::Load(path).status().message(), path + ": larger than 64 MiB");
  std::remove(path.c_str());
}

}  // namespace
}  // namespace relay
