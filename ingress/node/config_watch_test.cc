#include "ingress/node/config_watch.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "relay/control/test_certificate.h"

namespace ingress {
namespace {

namespace fs = std::filesystem;
using Snapshot = ConfigWatch::Snapshot;

// A folder with a serve config and certificates, a watch over it, and the loop that it tells.
struct ConfigWatchTest : testing::Test {
  fs::path folder = fs::path(testing::TempDir()) / "config_watch_test";
  EventLoop loop;
  std::unique_ptr<ConfigWatch> watch;
  std::thread thread;
  std::mutex mutex;
  std::condition_variable told;
  std::vector<Snapshot> snapshots;  // Under mutex.

  ConfigWatchTest() {
    fs::remove_all(folder);
    fs::create_directories(folder);
    WriteCertificate("one");
    UseCertificate("one");
  }
  ~ConfigWatchTest() override {
    if (thread.joinable()) {
      loop.Stop();
      thread.join();
    }
    watch.reset();
    fs::remove_all(folder);
  }

  std::string Path(const std::string& file) const { return (folder / file).string(); }
  void WriteConfig(const std::string& text, const std::string& more = "") const {
    std::ofstream(Path("new.json")) << R"({"TCP": {"443": {"HTTPS": true}},
        "Web": {"a.example:443": {"Handlers": {"/": {"Text": ")"
                                    << text << R"("}}}},
        "Certificates": [{"Name": "a.example", "Cert": "live/a.pem", "Key": "live/a.key"}])"
                                    << more << "}";
    fs::rename(Path("new.json"), Path("serve.json"));
  }
  void WriteCertificate(const std::string& stem) const {
    fs::create_directories(folder / stem);
    relay::WriteTestCertificate(Path(stem + "/a.pem"), Path(stem + "/a.key"), "DNS:a.example");
  }
  // All of a name's files at once, by a link to their folder.
  void UseCertificate(const std::string& stem) const {
    fs::create_symlink(stem, Path("next"));
    fs::rename(Path("next"), Path("live"));
  }

  absl::Status Start(Duration period = std::chrono::milliseconds(5)) {
    auto started = ConfigWatch::Start(loop, {.path = Path("serve.json"), .own = {}, .period = period},
                                      [this](const Snapshot& snapshot) {
                                        const std::lock_guard lock(mutex);
                                        snapshots.push_back(snapshot);
                                        told.notify_all();
                                      });
    if (!started.ok()) return started.status();
    watch = *std::move(started);
    thread = std::thread([this] { loop.Run(); });
    return absl::OkStatus();
  }
  // The first one that is so, from the `from`th on.
  Snapshot Await(const std::function<bool(const Snapshot&)>& is, size_t from = 0) {
    std::unique_lock lock(mutex);
    Snapshot found;
    const auto look = [&] {
      for (; from < snapshots.size(); ++from) {
        if (is(snapshots[from])) found = snapshots[from];
        if (found.config != nullptr) return true;
      }
      return false;
    };
    if (!told.wait_for(lock, std::chrono::seconds(60), look)) throw std::runtime_error("not told within a minute");
    return found;
  }
  Snapshot AwaitText(std::string_view text) {
    return Await([=](const Snapshot& snapshot) { return TextOf(snapshot) == text; });
  }
  static std::string TextOf(const Snapshot& snapshot) {
    const WebSite* const site = snapshot.config->FindSite({"a.example", 443});
    return std::get<TextHandler>(site->handlers.at("/")).text;
  }
};

TEST_F(ConfigWatchTest, ReadsAllAtItsStart) {
  EXPECT_EQ(Start().message(), Path("serve.json") + ": cannot be read: No such file or directory");
  WriteConfig("", "x");
  EXPECT_TRUE(std::string(Start().message()).starts_with(Path("serve.json") + ":3: "));
  WriteConfig("one");
  fs::remove(Path("live"));  // No error of the whole.
  ASSERT_TRUE(Start().ok());
  EXPECT_EQ(TextOf(watch->current()), "one");
  EXPECT_EQ(watch->current().certificates->Find("a.example"), nullptr);
}

TEST_F(ConfigWatchTest, AChangedConfigIsTold) {
  WriteConfig("one");
  ASSERT_TRUE(Start().ok());
  const Snapshot first = watch->current();
  WriteConfig("two");
  const Snapshot second = AwaitText("two");
  EXPECT_EQ(second.certificates, first.certificates);
  EXPECT_EQ(TextOf(first), "one");
  WriteConfig("three");
  AwaitText("three");
}

TEST_F(ConfigWatchTest, ARenewedCertificateIsTold) {
  WriteConfig("one");
  ASSERT_TRUE(Start(ConfigWatch::Options().period).ok());
  const Snapshot first = watch->current();
  ASSERT_NE(first.certificates->Find("a.example"), nullptr);
  WriteCertificate("two");
  UseCertificate("two");
  const Snapshot second = Await([](const Snapshot&) { return true; });
  EXPECT_EQ(second.config, first.config);
  EXPECT_EQ(second.certificates->status()[0].error, "");
  EXPECT_NE(second.certificates->Find("a.example"), first.certificates->Find("a.example"));
}

TEST_F(ConfigWatchTest, ANewConfigsCertificatesComeWithIt) {
  WriteConfig("one");
  ASSERT_TRUE(Start().ok());
  relay::WriteTestCertificate(Path("b.pem"), Path("b.key"), "DNS:b.example");
  std::ofstream(Path("b.json")) << R"({"Certificates": [{"Name": "b.example", "Cert": "b.pem", "Key": "b.key"}]})";
  fs::rename(Path("b.json"), Path("serve.json"));
  const Snapshot second = Await([](const Snapshot& snapshot) { return snapshot.config->web.empty(); });
  EXPECT_EQ(second.certificates->Find("a.example"), nullptr);
  EXPECT_NE(second.certificates->Find("b.example"), nullptr);
}

TEST_F(ConfigWatchTest, ABadConfigIsRefusedAndTheOldOneStays) {
  WriteConfig("one");
  ASSERT_TRUE(Start().ok());
  const Snapshot first = watch->current();
  WriteConfig("bad", ", \"Foreground\": {}");
  size_t seen = 0;
  for (const char* stem :
       {"two", "three"}) {  // When the second one is told, a look has begun since the config changed.
    WriteCertificate(stem);
    UseCertificate(stem);
    const Snapshot told_now = Await([](const Snapshot&) { return true; }, seen++);
    EXPECT_EQ(told_now.config, first.config);
    EXPECT_EQ(told_now.certificates->status()[0].error, "");
  }
  WriteConfig("good");
  AwaitText("good");
}

TEST_F(ConfigWatchTest, ReloadDoesNotWaitForThePeriod) {
  WriteConfig("one");
  ASSERT_TRUE(Start(std::chrono::hours(1)).ok());
  watch->Reload();
  const Snapshot second = Await([](const Snapshot&) { return true; });  // Though nothing changed.
  EXPECT_EQ(TextOf(second), "one");
  WriteConfig("two");
  watch->Reload();
  AwaitText("two");
}

TEST_F(ConfigWatchTest, MayEndWhileMuchChanges) {
  for (int round = 0; round < 20; ++round) {
    WriteConfig("start");
    EventLoop own;
    std::unique_ptr<ConfigWatch> one;
    bool ended = false;
    auto started = ConfigWatch::Start(
        own, {.path = Path("serve.json"), .own = {}, .period = std::chrono::milliseconds(1)}, [&](const Snapshot&) {
          EXPECT_FALSE(ended);
          ended = true;
          one.reset();  // From within what it calls.
          own.Stop();
        });
    ASSERT_TRUE(started.ok()) << started.status();
    one = *std::move(started);
    for (int i = 0; i < 5; ++i) {
      WriteConfig(std::to_string(i));
      one->Reload();
    }
    own.Run();
    EXPECT_TRUE(ended);
  }
}

}  // namespace
}  // namespace ingress
