#include "bench/relay_bench/output_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace bench {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class OutputFileTest : public testing::Test {
 protected:
  OutputFileTest() {
    std::string name = (fs::temp_directory_path() / "output_file_XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  ~OutputFileTest() override { fs::remove_all(folder_); }

  fs::path At(const char* name) const { return folder_ / name; }
  static void Put(const fs::path& path, std::string_view text) { std::ofstream(path) << text; }
  static std::string TextOf(const fs::path& path) {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  static unsigned ModeOf(const fs::path& path) {
    struct stat found {};
    EXPECT_EQ(stat(path.c_str(), &found), 0);
    return found.st_mode & 07777;
  }
  size_t Files() const { return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), {})); }
  static void WriteAll(const fs::path& path, std::string_view text, OutputFile::For whom = OutputFile::For::kAll) {
    auto file = OutputFile::Open(path, whom);
    ASSERT_TRUE(file.ok()) << file.status();
    ASSERT_TRUE((*file)->Write(text).ok());
    ASSERT_TRUE((*file)->Commit().ok());
  }

  fs::path folder_;
};

TEST_F(OutputFileTest, ReplacesWhatWasThereAndLeavesNothingBeside) {
  Put(At("report"), "a longer text than the new one");
  WriteAll(At("report"), "new");
  EXPECT_EQ(TextOf(At("report")), "new");
  EXPECT_EQ(Files(), 1u);
}

TEST_F(OutputFileTest, WithoutCommitWhatWasThereStays) {
  Put(At("report"), "old");
  for (const char* const name : {"report", "another"}) {
    auto file = OutputFile::Open(At(name), OutputFile::For::kAll);
    ASSERT_TRUE(file.ok()) << file.status();
    ASSERT_TRUE((*file)->Write("half of").ok());
  }
  EXPECT_EQ(TextOf(At("report")), "old");
  EXPECT_EQ(Files(), 1u);
}

TEST_F(OutputFileTest, WrongPathsShowAtOnce) {
  const auto none = OutputFile::Open(At("none/report"), OutputFile::For::kAll);
  EXPECT_EQ(none.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(none.status().message()), HasSubstr("none/report: No such file or directory"));
  EXPECT_FALSE(OutputFile::Open(folder_, OutputFile::For::kAll).ok());
}

TEST_F(OutputFileTest, SecretsAreTheOwnersAlone) {
  Put(At("keys"), "old");
  fs::permissions(At("keys"), fs::perms(0644));
  Put(At("linked"), "a longer text than the new one");
  fs::permissions(At("linked"), fs::perms(0666));
  fs::create_symlink(At("linked"), At("link"));
  for (const char* const name : {"keys", "link", "fresh"}) {
    WriteAll(At(name), "secret", OutputFile::For::kOwner);
    EXPECT_EQ(TextOf(At(name)), "secret") << name;
    EXPECT_EQ(ModeOf(At(name)), 0600u) << name;
  }
  EXPECT_TRUE(fs::is_symlink(At("link")));
}

TEST_F(OutputFileTest, ReportsAreAsReadableAsTheUmaskSays) {
  const mode_t before = umask(027);
  WriteAll(At("report"), "text");
  umask(before);
  EXPECT_EQ(ModeOf(At("report")), 0640u);
}

TEST_F(OutputFileTest, WhatIsNoPlainFileIsWrittenToItself) {
  Put(At("target"), "a longer text than the new one");
  fs::create_symlink(At("target"), At("link"));
  WriteAll(At("link"), "new");
  EXPECT_TRUE(fs::is_symlink(At("link")));
  EXPECT_EQ(TextOf(At("target")), "new");
  WriteAll("/dev/null", "new");
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

}  // namespace
}  // namespace bench
