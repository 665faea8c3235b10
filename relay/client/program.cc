#include "relay/client/program.h"

#include <fcntl.h>
#include <gflags/gflags.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "relay/control/command_line.h"
#include "relay/control/fd.h"

namespace relay::client {
namespace {

absl::Status CannotRead(const std::string& path, int error) {
  return absl::InvalidArgumentError(absl::StrCat("cannot read ", path, ": ", std::strerror(error)));
}

// Room for a key and white space around it; wiped when it is done with.
struct SecretText {
  std::array<char, 256> bytes;
  size_t size = 0;
  ~SecretText() { sodium_memzero(bytes.data(), bytes.size()); }
};

}  // namespace

std::vector<std::string_view> ParseFlags(std::string_view usage, int argc, char** argv) {
  return ParseCommandLine({.version = RELAYD_VERSION, .usage = usage}, argc, argv);
}

int Fail(int code, std::string_view message) {
  std::fprintf(stderr, "%s: %.*s\n", gflags::ProgramInvocationShortName(), static_cast<int>(message.size()),
               message.data());
  return code;
}

int Fail(const absl::Status& status) {
  const bool unreachable = status.code() == absl::StatusCode::kUnavailable;
  const bool usage = status.code() == absl::StatusCode::kInvalidArgument;
  return Fail(unreachable ? kExitUnreachable : usage ? kExitUsage : kExitFailed, std::string(status.message()));
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  // An empty file is not an error, though it sets failbit.
  if (in && in.peek() != std::ifstream::traits_type::eof()) text << in.rdbuf();
  if (in.bad() || (!in && !in.eof())) {
    return CannotRead(path, errno);
  }
  return text.str();
}

absl::StatusOr<std::string> ReadToken(const std::string& token, const std::string& file) {
  if (file.empty()) return token;
  if (!token.empty()) return absl::InvalidArgumentError("--token and --token_file exclude each other");
  absl::StatusOr<std::string> text = ReadFile(file);
  if (!text.ok()) return text;
  absl::StripAsciiWhitespace(&*text);
  if (text->empty()) return absl::InvalidArgumentError(absl::StrCat("there is no token in ", file));
  return text;
}

absl::StatusOr<disco::PrivateKey> ReadKeyFile(const std::string& path) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info;
  if (fd.get() < 0 || fstat(fd.get(), &info) != 0) return CannotRead(path, errno);
  if (S_ISREG(info.st_mode) && (info.st_mode & (S_IRGRP | S_IROTH)) != 0) {
    return absl::InvalidArgumentError(absl::StrCat(path, " can be read by others than its owner: chmod 600 ", path));
  }
  SecretText text;
  ssize_t size;
  while ((size = read(fd.get(), text.bytes.data() + text.size, text.bytes.size() - text.size)) > 0) {
    text.size += static_cast<size_t>(size);
  }
  if (size < 0) return CannotRead(path, errno);
  std::optional<disco::PrivateKey> key = disco::PrivateKey::Parse({text.bytes.data(), text.size});
  if (!key) return absl::InvalidArgumentError(absl::StrCat(path, " does not hold a key (privkey:<64 hex>)"));
  return *std::move(key);
}

}  // namespace relay::client
