#include "bench/forwarder_process.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <thread>

#include "bench/bare_forwarder.h"
#include "relay/dataplane/socket_backend.h"

namespace bench {

namespace {

void Check(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "socket_bench: %s failed\n", what);
  std::abort();
}

template <typename T>
bool Write(int fd, const T& value) {
  return write(fd, &value, sizeof(value)) == static_cast<ssize_t>(sizeof(value));
}

template <typename T>
bool ReadInto(int fd, T& value) {
  return read(fd, &value, sizeof(value)) == static_cast<ssize_t>(sizeof(value));
}

// Everything that SocketBackend needs around it; lives until the child ends.
struct RelayParts {
  explicit RelayParts(const ClientPairs& pairs)
      : server(table, pairs.relay_key().public_key(), relay::ServerCrypto::Production(), {}) {
    for (uint64_t i = 0; i < pairs.size(); ++i) {
      relay::EndpointTable::NewEndpoint endpoint = pairs.NewEndpoint(i);
      endpoint.lamport_id = i + 1;
      Check(table.Insert(endpoint, std::chrono::steady_clock::now()) == i + 1, "Insert");
    }
    relay::SocketBackend::Options options;
    options.udp_port = 0;
    options.cores = {ForwarderProcess::kCore};
    auto opened = relay::SocketBackend::Open(options);
    Check(opened.ok(), "Open");
    backend = *std::move(opened);
    Check(backend->Start(server, qsbr).ok(), "Start");
  }

  Snapshot Read() const {
    const relay::Counters& c = backend->counters(0);
    Snapshot out{.packets = 0, .receive_calls = c.receive_calls.Get(), .send_calls = c.send_calls.Get(), .cpu_ns = 0};
    for (const auto& row : c.forwarded_packets) {
      for (const relay::Counter& counter : row) out.packets += counter.Get();
    }
    return out;
  }

  relay::Qsbr qsbr{1};
  relay::EndpointTable table{1024, qsbr};
  relay::RelayServer server;
  std::unique_ptr<relay::SocketBackend> backend;
};

}  // namespace

std::unique_ptr<ForwarderProcess> ForwarderProcess::Relay(const ClientPairs& pairs) {
  return std::unique_ptr<ForwarderProcess>(new ForwarderProcess([&pairs] {
    const auto* const parts = new RelayParts(pairs);  // The child's, to its end.
    return Child{.port = parts->backend->port(), .read = [parts] { return parts->Read(); }};
  }));
}

std::unique_ptr<ForwarderProcess> ForwarderProcess::Bare(const ClientPairs& pairs) {
  return std::unique_ptr<ForwarderProcess>(new ForwarderProcess([&pairs] {
    auto routes = std::make_unique<BareForwarder::Routes>();
    routes->fill({});
    for (size_t i = 0; i < pairs.size(); ++i) (*routes)[pairs.sender_port(i)] = pairs.sink_address(i);
    auto* const forwarder = new BareForwarder(std::move(routes));  // The child's, to its end.
    std::thread([forwarder] { forwarder->Run(); }).detach();
    return Child{.port = forwarder->port(), .read = [forwarder] {
                   return Snapshot{.packets = forwarder->packets(),
                                   .receive_calls = forwarder->receive_calls(),
                                   .send_calls = forwarder->receive_calls(),
                                   .cpu_ns = 0};
                 }};
  }));
}

ForwarderProcess::ForwarderProcess(const std::function<Child()>& start) {
  int ends[2];
  Check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
  pid_ = fork();
  Check(pid_ >= 0, "fork");
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(kCore, &cores);
    Check(sched_setaffinity(0, sizeof(cores), &cores) == 0, "sched_setaffinity");
    const Child child = start();
    Check(Write(ends[1], child.port), "write");
    char request;
    while (ReadInto(ends[1], request)) Check(Write(ends[1], child.read()), "write");
    _exit(0);
  }
  close(ends[1]);
  channel_ = ends[0];
  Check(ReadInto(channel_, port_), "start of the forwarder");
}

ForwarderProcess::~ForwarderProcess() {
  close(channel_);
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

Snapshot ForwarderProcess::Read() const {
  Snapshot out;
  Check(Write(channel_, 'r') && ReadInto(channel_, out), "read of the counters");
  clockid_t clock;
  timespec time{};
  Check(clock_getcpuclockid(pid_, &clock) == 0 && clock_gettime(clock, &time) == 0, "CPU clock");
  out.cpu_ns = int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  return out;
}

}  // namespace bench
