// The whole back end over net_null, which makes frames out of nothing. EAL and the back end live once a process, so
// each story has one of its own.
#include "relay/dataplane/dpdk_backend.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <string>

#include "relay/dataplane/threads.h"

namespace relay {
namespace {

constexpr int kGood = 0;
constexpr int kWrong = 1;
constexpr int kSlow = 2;

// In the story's process.
void Require(bool holds, const std::string& what) {
  if (holds) return;
  std::cerr << "does not hold: " << what << std::endl;
  std::_Exit(kWrong);
}
template <typename F>
void Await(F condition, const std::string& what) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    Require(std::chrono::steady_clock::now() < deadline, what);
    sched_yield();
  }
}

// Of this process's threads: name, and the cores that they may run on.
std::map<std::string, cpu_set_t> Threads() {
  std::map<std::string, cpu_set_t> threads;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::getline(std::ifstream(task.path() / "comm") >> std::ws, name);
    cpu_set_t cores;
    CPU_ZERO(&cores);
    sched_getaffinity(std::stoi(task.path().filename()), sizeof(cores), &cores);
    threads[name] = cores;
  }
  return threads;
}

struct Story {
  explicit Story(uint32_t workers, uint32_t ports = 2)
      : sockets(OpenSocketSets({}).value()),
        qsbr(workers + 1),
        table(16, qsbr),
        server(table, (disco::InitCrypto(), disco::PrivateKey::Generate().public_key()), ServerCrypto::Production(),
               {}) {
    options.eal = "--no-huge -m 256 --no-shconf --no-pci --no-telemetry --log-level=*:error";
    for (uint32_t i = 0; i < ports; ++i) options.eal += " --vdev=net_null" + std::to_string(i);
    options.workers = workers;
    options.kernel_path = DpdkOptions::KernelPath::kNone;
    options.reassemble = true;
  }
  absl::StatusOr<std::unique_ptr<DpdkBackend>> Open() {
    return DpdkBackend::Open(options,
                             {.udp_port = sockets[0][0].port(), .first_worker = 1, .kernel_sockets = sockets[0]}, qsbr);
  }

  DpdkOptions options;
  std::vector<SocketSet> sockets;
  Qsbr qsbr;
  EndpointTable table;
  RelayServer server;
};

bool Balances(const Counters& counters) {
  uint64_t ends = counters.answered.Get() + counters.accepted.Get() + counters.to_kernel.Get();
  for (const Counter& dropped : counters.dropped) ends += dropped.Get();
  for (const auto& in : counters.forwarded_packets) {
    for (const Counter& out : in) ends += out.Get();
  }
  return counters.received.Get() == ends;
}

// What a running back end does until it is stopped.
void CheckRunning(DpdkBackend& backend, const Story& story) {
  for (uint32_t i = 0; i < backend.workers(); ++i) {
    Await([&] { return backend.counters(i).received.Get() > 1000; }, "worker " + std::to_string(i) + " receives");
    Await([&] { return backend.figures().workers[i]->packets.Get() > 1000; }, "and says so");
  }
  const auto again = backend.Start(story.server);
  Require(again.code() == absl::StatusCode::kFailedPrecondition, "a second start is refused");
  std::map<std::string, cpu_set_t> threads = Threads();
  cpu_set_t all;
  CPU_ZERO(&all);
  for (uint32_t i = 0; i < backend.workers(); ++i) {
    const std::string name = "relay-poll" + std::to_string(i);
    Require(threads.contains(name), name + " runs");
    Require(CPU_COUNT(&threads[name]) == 1, name + " is pinned");
    CPU_OR(&all, &all, &threads[name]);
  }
  Require(CPU_COUNT(&all) == static_cast<int>(backend.workers()), "to cores of their own");
}

void RunAndStop(uint32_t workers) {
  Story story(workers);
  auto backend = story.Open();
  Require(backend.ok(), std::string(backend.status().message()));
  Require((*backend)->Start(story.server).ok(), "it starts");
  CheckRunning(**backend, story);
  const auto began = std::chrono::steady_clock::now();
  (*backend)->Stop();
  const auto took = std::chrono::steady_clock::now() - began;
  uint64_t received = 0;
  for (uint32_t i = 0; i < workers; ++i) {
    Require(Balances((*backend)->counters(i)), "every frame has one end");
    received += (*backend)->counters(i).received.Get();
    for (const auto& port : (*backend)->figures().by_worker[i]) Require(port->received.Get() > 0, "of each port");
  }
  Require(!(*backend)->Start(story.server).ok(), "what was stopped stays so");
  (*backend)->Stop();
  for (uint32_t i = 0; i < workers; ++i) received -= (*backend)->counters(i).received.Get();
  Require(received == 0, "nothing is received any more");
  backend->reset();
  std::exit(took < std::chrono::milliseconds(100) ? kGood : kSlow);
}

// Once in some attempts it must be quick: the machine may have other work.
void ExpectQuickStop(uint32_t workers) {
  if (AllowedCores().size() < workers) GTEST_SKIP() << "not enough cores";
  int status = kSlow;
  for (int attempt = 0; attempt < 5 && status == kSlow; ++attempt) {
    EXPECT_EXIT(
        RunAndStop(workers),
        [&](int result) {
          status = WIFEXITED(result) ? WEXITSTATUS(result) : kWrong;
          return status == kGood || status == kSlow;
        },
        "");
  }
  EXPECT_EQ(status, kGood) << "Stop takes more than 100 ms";
}

TEST(DpdkBackendTest, OneWorkerRunsAndStops) { ExpectQuickStop(1); }
TEST(DpdkBackendTest, TwoWorkersRunAndStop) { ExpectQuickStop(2); }

TEST(DpdkBackendTest, DestroyedWithoutAStart) {
  EXPECT_EXIT(
      {
        Story story(1);
        auto backend = story.Open();
        Require(backend.ok(), std::string(backend.status().message()));
        Require((*backend)->workers() == 1, "it is there");
        backend->reset();
        std::exit(kGood);
      },
      testing::ExitedWithCode(kGood), "");
}

TEST(DpdkBackendTest, DestroyedWhileItRuns) {
  EXPECT_EXIT(
      {
        Story story(1, 1);
        auto backend = story.Open();
        Require(backend.ok(), std::string(backend.status().message()));
        Require((*backend)->Start(story.server).ok(), "it starts");
        backend->reset();
        Require(!Threads().contains("relay-poll0"), "the worker is gone");
        std::exit(kGood);
      },
      testing::ExitedWithCode(kGood), "");
}

TEST(DpdkBackendTest, MoreWorkersThanCores) {
  Story story(CPU_SETSIZE + 1);
  const auto backend = story.Open();
  ASSERT_FALSE(backend.ok());
  EXPECT_EQ(backend.status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace relay
