#include "relay/control/command_line.h"

#include <gflags/gflags.h>
#include <gtest/gtest.h>
#include <unistd.h>

DEFINE_uint32(test_number, 7, "a number");

namespace relay {
namespace {

std::vector<std::string> Parse(std::vector<std::string> args) {
  const gflags::FlagSaver saver;
  args.insert(args.begin(), "/somewhere/program");
  std::vector<char*> argv;
  for (std::string& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  const std::vector<std::string_view> rest = ParseCommandLine(
      {.version = "1.2", .usage = "What it is for.\n", .files = __FILE__}, static_cast<int>(args.size()), argv.data());
  return {rest.begin(), rest.end()};
}

// What it prints is where a death test looks.
void ParseToStderr(const std::vector<std::string>& args) {
  dup2(STDERR_FILENO, STDOUT_FILENO);
  Parse(args);
}

TEST(CommandLineTest, FlagsStandAnywhereAndTheRestIsReturned) {
  EXPECT_EQ(Parse({"one", "--test_number=8", "two"}), (std::vector<std::string>{"one", "two"}));
  EXPECT_TRUE(Parse({}).empty());
}

TEST(CommandLineDeathTest, TellsAScriptByItsStatus) {
  using testing::ExitedWithCode;
  EXPECT_EXIT(ParseToStderr({"--version"}), ExitedWithCode(0), "^program 1\\.2\n$");
  for (const char* const help : {"--help", "--helpfull", "--helpshort", "--helpxml", "--helpon=x"}) {
    EXPECT_EXIT(ParseToStderr({help}), ExitedWithCode(0),
                "^What it is for\\.\n  --test_number=7\n      a number\n  --f");
  }
  EXPECT_EXIT(ParseToStderr({"--nonsense"}), ExitedWithCode(2), "unknown command line flag 'nonsense'\n$");
  EXPECT_EXIT(ParseToStderr({"--test_number=x"}), ExitedWithCode(2), "test_number");
}

}  // namespace
}  // namespace relay
