// main() of every unit test: what it writes goes into a folder of its process alone, which is gone when it ends. So
// tests leave nothing behind, and two of them (or two trees' of the same) never meet in a file.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace {

class TestFolder {
 public:
  TestFolder() {
    if (std::getenv("TEST_TMPDIR") != nullptr) return;  // The caller's, or this is a death test's second start.
    std::string pattern = std::filesystem::temp_directory_path() / "relayd-test-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) return;  // Then testing::TempDir() is what the system has.
    path_ = pattern;
    setenv("TEST_TMPDIR", (path_ + "/").c_str(), 1);  // testing::TempDir().
    setenv("TMPDIR", path_.c_str(), 1);               // What our own code and programs that a test starts go by.
  }
  ~TestFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

 private:
  std::string path_;
};

}  // namespace

int main(int argc, char** argv) {
  // Not InitGoogleMock: with its library linked into every test, the linker takes members of archives twice that are
  // compiled for link-time optimization too, whose symbol tables name more than they have.
  testing::InitGoogleTest(&argc, argv);
  const TestFolder folder;  // Not static: a death test's child that calls exit() leaves it to its parent.
  return RUN_ALL_TESTS();
}
