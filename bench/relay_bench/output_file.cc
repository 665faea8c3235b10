#include "bench/relay_bench/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace bench {
namespace {

mode_t Umask() {
  const mode_t mask = umask(077);
  umask(mask);
  return mask;
}

}  // namespace

absl::StatusOr<std::unique_ptr<OutputFile>> OutputFile::Open(const std::string& path, For whom) {
  auto file = std::unique_ptr<OutputFile>(new OutputFile(path, whom));
  struct stat found {};
  const bool there = lstat(path.c_str(), &found) == 0;
  const bool replaceable = !there || S_ISREG(found.st_mode);
  if ((replaceable && file->OpenBeside()) || file->OpenItself()) return file;
  return file->Failed();
}

OutputFile::~OutputFile() {
  if (file_ != nullptr) std::fclose(file_);
  if (!beside_.empty()) unlink(beside_.c_str());
}

bool OutputFile::OpenBeside() {
  beside_ = absl::StrCat(path_, ".XXXXXX");
  const int fd = mkostemp(beside_.data(), O_CLOEXEC);  // 0600.
  if (fd < 0) {
    beside_.clear();
    return false;
  }
  if (whom_ == For::kAll) fchmod(fd, 0666 & ~Umask());
  file_ = fdopen(fd, "w");
  return file_ != nullptr;
}

// Changes nothing yet: the text before it goes when the new one comes.
bool OutputFile::OpenItself() {
  const int fd = open(path_.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  file_ = fdopen(fd, "w");
  return file_ != nullptr;
}

absl::Status OutputFile::Failed() const {
  return absl::InvalidArgumentError(absl::StrCat("cannot write ", path_, ": ", std::strerror(errno)));
}

absl::Status OutputFile::Write(std::string_view text) {
  if (beside_.empty() && !begun_) {
    struct stat found {};
    if (fstat(fileno(file_), &found) != 0) return Failed();
    if (S_ISREG(found.st_mode)) {
      if (whom_ == For::kOwner && fchmod(fileno(file_), 0600) != 0) return Failed();
      if (ftruncate(fileno(file_), 0) != 0) return Failed();
    }
  }
  begun_ = true;
  if (std::fwrite(text.data(), 1, text.size(), file_) == text.size()) return absl::OkStatus();
  return Failed();
}

absl::Status OutputFile::Commit() {
  const bool flushed = std::fflush(file_) == 0;
  const int error = errno;
  const bool closed = std::fclose(std::exchange(file_, nullptr)) == 0;
  if (!flushed) errno = error;
  if (!flushed || !closed) return Failed();
  if (beside_.empty()) return absl::OkStatus();
  if (std::rename(beside_.c_str(), path_.c_str()) != 0) return Failed();
  beside_.clear();
  return absl::OkStatus();
}

}  // namespace bench
