#include "relay/control/command_line.h"

#include <gflags/gflags.h>

#include <cstdio>
#include <cstdlib>
#include <string>

// In the library, but in none of its headers: what it ends the process with on a flag that it cannot take.
namespace GFLAGS_NAMESPACE {
extern void (*gflags_exitfunc)(int);
}

namespace relay {
namespace {

constexpr int kWrongFlag = 2;

void Print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

// gflags' own help lists the flags of every library and exits with 1.
void PrintHelp(const CommandLine& line) {
  Print(line.usage);
  if (line.files.empty()) return;
  std::vector<gflags::CommandLineFlagInfo> flags;
  gflags::GetAllFlags(&flags);
  for (const gflags::CommandLineFlagInfo& flag : flags) {
    if (!flag.filename.starts_with(line.files)) continue;
    std::printf("  --%s=%s\n      %s\n", flag.name.c_str(), flag.default_value.c_str(), flag.description.c_str());
  }
  Print("  --flagfile=FILE\n      takes flags from a file, one a line\n");
}

}  // namespace

bool IsSet(const char* flag) {
  const gflags::CommandLineFlagInfo info = gflags::GetCommandLineFlagInfoOrDie(flag);
  return info.current_value != info.default_value;
}

std::vector<std::string_view> ParseCommandLine(const CommandLine& line, int argc, char** argv) {
  GFLAGS_NAMESPACE::gflags_exitfunc = [](int status) { std::exit(status == 0 ? 0 : kWrongFlag); };
  gflags::SetVersionString(std::string(line.version));
  gflags::ParseCommandLineNonHelpFlags(&argc, &argv, true);
  for (const char* const help : {"help", "helpfull", "helpshort", "helpxml", "helppackage", "helpon", "helpmatch"}) {
    if (!IsSet(help)) continue;
    PrintHelp(line);
    std::exit(0);
  }
  if (IsSet("version")) {
    std::printf("%s %s\n", gflags::ProgramInvocationShortName(), std::string(line.version).c_str());
    std::exit(0);
  }
  return {argv + 1, argv + argc};
}

}  // namespace relay
