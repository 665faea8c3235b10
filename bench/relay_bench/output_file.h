// A file that is opened before a run and has its text after it: a wrong path shows at once, and what was there before
// stays if the run fails.
#ifndef RELAYD_BENCH_RELAY_BENCH_OUTPUT_FILE_H_
#define RELAYD_BENCH_RELAY_BENCH_OUTPUT_FILE_H_

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace bench {

class OutputFile {
 public:
  enum class For : uint8_t { kAll, kOwner };  // Who may read it: kOwner is mode 0600, whatever was there before.

  // Goes to a new file beside `path`, which Commit renames over it. What is no plain file (a symbolic link, a pipe, a
  // terminal), or lies in a folder that takes no new one, is written to itself. An error: neither can be opened.
  static absl::StatusOr<std::unique_ptr<OutputFile>> Open(const std::string& path, For whom);
  // Without Commit nothing has happened to `path`.
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  absl::Status Write(std::string_view text);
  // Once, after the last Write.
  absl::Status Commit();

 private:
  OutputFile(const std::string& path, For whom) : path_(path), whom_(whom) {}
  bool OpenBeside();
  bool OpenItself();
  absl::Status Failed() const;

  const std::string path_;
  const For whom_;
  std::string beside_;  // The new file, while it is there; else `path` itself is open.
  FILE* file_ = nullptr;
  bool begun_ = false;
};

}  // namespace bench

#endif  // RELAYD_BENCH_RELAY_BENCH_OUTPUT_FILE_H_
