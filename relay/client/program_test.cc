#include "relay/client/program.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdio>
#include <fstream>

namespace relay::client {
namespace {

class ReadKeyFileTest : public testing::Test {
 protected:
  void TearDown() override { std::remove(path_.c_str()); }

  absl::StatusOr<disco::PrivateKey> Read(const std::string& text, mode_t mode) {
    std::remove(path_.c_str());  // It may be one that we must not write to.
    std::ofstream(path_) << text;
    EXPECT_EQ(chmod(path_.c_str(), mode), 0);
    return ReadKeyFile(path_);
  }

  const std::string path_ = testing::TempDir() + "read_key_file_test.key";
  const disco::PrivateKey key_ = [] {
    disco::InitCrypto();
    return disco::PrivateKey::Generate();
  }();
};

TEST_F(ReadKeyFileTest, TakesAKeyForItsOwnersEyes) {
  for (const mode_t mode : {0600, 0400, 0700, 0620}) {
    const absl::StatusOr<disco::PrivateKey> key = Read(key_.ToString() + "\n", mode);
    ASSERT_TRUE(key.ok()) << key.status();
    EXPECT_EQ(key->public_key(), key_.public_key());
  }
}

TEST_F(ReadKeyFileTest, RefusesOneThatOthersMayRead) {
  for (const mode_t mode : {0640, 0604, 0644}) {
    const absl::StatusOr<disco::PrivateKey> key = Read(key_.ToString() + "\n", mode);
    EXPECT_EQ(key.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(key.status().message().find("chmod 600 " + path_), std::string::npos) << key.status();
  }
}

TEST_F(ReadKeyFileTest, RefusesWhatIsNoKey) {
  const std::string key = key_.ToString();
  for (const std::string& text :
       {std::string(), key.substr(0, key.size() - 1), key + key, key + std::string(5000, 'x')}) {
    EXPECT_FALSE(Read(text, 0600).ok()) << text.size();
  }
  EXPECT_FALSE(ReadKeyFile(testing::TempDir()).ok());
  EXPECT_FALSE(ReadKeyFile(path_ + ".none").ok());
}

}  // namespace
}  // namespace relay::client
