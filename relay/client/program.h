// What the command-line programs share: flags whose errors a script can tell, and secrets that come from files.
#ifndef RELAYD_RELAY_CLIENT_PROGRAM_H_
#define RELAYD_RELAY_CLIENT_PROGRAM_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "disco/key.h"

namespace relay::client {

enum ExitCode : int { kExitOk = 0, kExitFailed = 1, kExitUsage = 2, kExitUnreachable = 3 };

// Parses gflags wherever they stand and returns the other arguments. A wrong flag ends the program with one line and
// kExitUsage; --help prints `usage` and --version the version, both with kExitOk.
std::vector<std::string_view> ParseFlags(std::string_view usage, int argc, char** argv);

// "program: message" on stderr; returns `code`.
int Fail(int code, std::string_view message);
// The exit code for an error of ApiClient's.
int Fail(const absl::Status& status);

absl::StatusOr<std::string> ReadFile(const std::string& path);
// `token` itself, or what `file` holds, without white space around it; empty if both are. An error if both are given.
absl::StatusOr<std::string> ReadToken(const std::string& token, const std::string& file);
// Refuses a file that others than its owner may read.
absl::StatusOr<disco::PrivateKey> ReadKeyFile(const std::string& path);

}  // namespace relay::client

#endif  // RELAYD_RELAY_CLIENT_PROGRAM_H_
