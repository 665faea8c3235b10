// The fuzz targets' corpora, for unit tests that go through them.
#ifndef RELAYD_TESTS_SUPPORT_CORPUS_H_
#define RELAYD_TESTS_SUPPORT_CORPUS_H_

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

namespace test {

// What each file of a target's corpus holds, by name.
inline std::map<std::string, std::string> ReadCorpus(const std::string& target) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(RELAYD_SOURCE_DIR "/tests/fuzz/corpus/" + target)) {
    std::ifstream in(entry.path(), std::ios::binary);
    files[entry.path().filename()] = std::string(std::istreambuf_iterator<char>(in), {});
  }
  return files;
}

}  // namespace test

#endif  // RELAYD_TESTS_SUPPORT_CORPUS_H_
