// Allocations a second over keep-alive HTTP connections, one request under way on each:
//
//   allocate_bench --api=127.0.0.1:9640 --connections=16 --seconds=2 --keys=fresh|known
//
// Prints `allocate_fresh_per_s N per_s` or `allocate_known_per_s N per_s`. `fresh`: two keys that the server has never
// seen; `known`: pairs of keys that it knows from other pairs.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gflags/gflags.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "disco/addr_port.h"
#include "disco/key.h"
#include "disco/packet.h"
#include "disco/server_endpoint.h"

DEFINE_string(api, "127.0.0.1:9640", "Where relayd's API listens");
DEFINE_int32(connections, 16, "Keep-alive connections");
DEFINE_double(seconds, 2, "How long to load");
DEFINE_string(keys, "fresh", "fresh or known");

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void Die(const char* what) {
  std::perror(what);
  std::exit(1);
}

int Connect(const disco::AddrPort& api) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(api.port);
  std::memcpy(&to.sin_addr, &api.ip[12], 4);
  if (fd < 0 || connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)) != 0) Die("connect");
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return fd;
}

std::string Request(const disco::PublicKey& a, const disco::PublicKey& b) {
  const std::string body = disco::AllocateRequestToJson({a, b});
  return "POST /v0/relay/endpoint HTTP/1.1\r\nHost: " + FLAGS_api +
         "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// Pairs of keys, each pair new to the server.
class Pairs {
 public:
  std::string Next() {
    if (FLAGS_keys == "fresh") {
      // Nobody's keys: the server cannot tell, and what it does with them costs the same.
      return Request(RandomKey(), RandomKey());
    }
    if (++second_ == known_.size()) second_ = ++first_ + 1;
    if (second_ >= known_.size()) return {};
    return Request(known_[first_], known_[second_]);
  }
  // For `known`: requests that show every key to the server once.
  std::vector<std::string> Introduce() {
    std::vector<std::string> requests;
    for (size_t i = 0; i < 1000; ++i) known_.push_back(RandomKey());
    for (const disco::PublicKey& key : known_) requests.push_back(Request(key, RandomKey()));
    return requests;
  }

 private:
  disco::PublicKey RandomKey() {
    disco::PublicKey key;
    const disco::Nonce more = disco::RandomNonce();
    const disco::Nonce bytes = disco::RandomNonce();
    std::copy(bytes.begin(), bytes.end(), key.bytes.begin());
    std::copy_n(more.begin(), key.bytes.size() - bytes.size(), key.bytes.begin() + bytes.size());
    return key;
  }
  std::vector<disco::PublicKey> known_;
  size_t first_ = 0;
  size_t second_ = 0;
};

struct Connection {
  int fd;
  std::string in;
};

// Reads what is there; true once a whole answer is. Anything but a 200 ends the program.
bool TakeAnswer(Connection& connection) {
  char buffer[4096];
  const ssize_t n = read(connection.fd, buffer, sizeof(buffer));
  if (n <= 0) Die("read");
  connection.in.append(buffer, static_cast<size_t>(n));
  const size_t head = connection.in.find("\r\n\r\n");
  if (head == std::string::npos) return false;
  const size_t field = connection.in.find("Content-Length: ");
  if (field == std::string::npos || field > head) Die("an answer without Content-Length");
  const size_t body = std::strtoul(connection.in.c_str() + field + 16, nullptr, 10);
  if (connection.in.size() < head + 4 + body) return false;
  if (!connection.in.starts_with("HTTP/1.1 200 ")) {
    std::fprintf(stderr, "refused: %s\n", connection.in.c_str());
    std::exit(1);
  }
  connection.in.clear();
  return true;
}

void Send(Connection& connection, const std::string& request) {
  if (write(connection.fd, request.data(), request.size()) != static_cast<ssize_t>(request.size())) Die("write");
}

// Keeps one request under way on every connection until `next` gives none or time is up; returns how many were
// answered.
template <typename Next>
size_t Load(std::vector<Connection>& connections, Clock::time_point until, Next next) {
  std::vector<pollfd> polled;
  size_t under_way = 0;
  for (Connection& connection : connections) {
    polled.push_back({connection.fd, POLLIN, 0});
    if (const std::string request = next(); !request.empty()) {
      Send(connection, request);
      ++under_way;
    }
  }
  size_t answered = 0;
  while (under_way > 0) {
    if (poll(polled.data(), polled.size(), 5000) <= 0) Die("no answer");
    for (size_t i = 0; i < connections.size(); ++i) {
      if (polled[i].revents == 0 || !TakeAnswer(connections[i])) continue;
      ++answered;
      --under_way;
      if (Clock::now() >= until) continue;
      if (const std::string request = next(); !request.empty()) {
        Send(connections[i], request);
        ++under_way;
      }
    }
  }
  return answered;
}

}  // namespace

int main(int argc, char** argv) {
  google::ParseCommandLineFlags(&argc, &argv, true);
  disco::InitCrypto();
  const auto api = disco::AddrPort::Parse(FLAGS_api);
  if (!api || !api->IsIpv4() || (FLAGS_keys != "fresh" && FLAGS_keys != "known")) {
    std::fprintf(stderr, "allocate_bench: --api is ipv4:port, --keys is fresh or known\n");
    return 2;
  }
  std::vector<Connection> connections;
  for (int i = 0; i < FLAGS_connections; ++i) connections.push_back({Connect(*api), {}});
  Pairs pairs;
  if (FLAGS_keys == "known") {
    const std::vector<std::string> requests = pairs.Introduce();
    size_t i = 0;
    Load(connections, Clock::time_point::max(), [&] { return i < requests.size() ? requests[i++] : std::string(); });
  }
  const Clock::time_point start = Clock::now();
  const auto length = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(FLAGS_seconds));
  const size_t answered = Load(connections, start + length, [&] { return pairs.Next(); });
  const std::chrono::duration<double> took = Clock::now() - start;
  std::printf("allocate_%s_per_s %.0f per_s\n", FLAGS_keys.c_str(), static_cast<double>(answered) / took.count());
  for (const Connection& connection : connections) close(connection.fd);
  return 0;
}
