// The command line of all our programs: gflags, whose errors a script can tell, and with a help that is ours.
#ifndef RELAYD_RELAY_CONTROL_COMMAND_LINE_H_
#define RELAYD_RELAY_CONTROL_COMMAND_LINE_H_

#include <string_view>
#include <vector>

namespace relay {

struct CommandLine {
  std::string_view version;
  std::string_view usage;       // What --help prints first.
  std::string_view files = {};  // And then the flags of source files whose names begin so; empty: none.
};

// Parses gflags wherever they stand and returns the other arguments. A wrong flag ends the program with one line and
// status 2; --help and --version print and end it with 0.
std::vector<std::string_view> ParseCommandLine(const CommandLine& line, int argc, char** argv);

bool IsSet(const char* flag);  // To something else than its default.

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_COMMAND_LINE_H_
