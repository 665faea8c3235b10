#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "bench/relay_bench/endpoint_source.h"
#include "disco/server_endpoint.h"
#include "relay/client/api_client.h"
#include "relay/control/fd.h"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;
using relay::Fd;

constexpr auto kPatience = std::chrono::seconds(30);  // With a server that refuses for the moment, and no longer.
constexpr int kAnswerMs = 5000;
constexpr size_t kMaxAnswer = 1 << 16;

absl::Status Unavailable(const std::string& what) { return absl::UnavailableError(what); }

absl::StatusOr<Fd> Connect(const relay::client::Url& url) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(url.host.c_str(), url.port.c_str(), &hints, &found); error != 0) {
    return Unavailable(absl::StrCat("cannot resolve ", url.host, ": ", gai_strerror(error)));
  }
  int error = 0;
  for (const addrinfo* a = found; a != nullptr; a = a->ai_next) {
    Fd fd(socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, 0));
    if (fd.get() >= 0 && connect(fd.get(), a->ai_addr, a->ai_addrlen) == 0) {
      const int on = 1;
      setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
      freeaddrinfo(found);
      return fd;
    }
    error = errno;
  }
  freeaddrinfo(found);
  return Unavailable(absl::StrCat("cannot connect to ", url.authority, ": ", std::strerror(error)));
}

struct Answer {
  int status = 0;
  int retry_after_s = 0;
  std::string body;
  bool close = false;
};

// The value of a header field, names in any case; empty if it is not there.
std::string Field(const std::string& head, const std::string& lower_name) {
  const std::string lower = absl::AsciiStrToLower(head);
  const size_t at = lower.find("\r\n" + lower_name + ":");
  if (at == std::string::npos) return {};
  const size_t begin = at + lower_name.size() + 3;
  std::string value = head.substr(begin, head.find("\r\n", begin) - begin);
  absl::StripAsciiWhitespace(&value);
  return value;
}

int ToNumber(std::string_view text, int otherwise) {
  int value = otherwise;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// Takes one whole answer off the front of `in`, if it is there. An error: it is no HTTP, or of a form that no
// allocating server needs.
absl::StatusOr<bool> TakeAnswer(std::string& in, Answer& out) {
  const size_t end = in.find("\r\n\r\n");
  if (end == std::string::npos) {
    if (in.size() > kMaxAnswer) return Unavailable("the API's answer has no end");
    return false;
  }
  const std::string head = in.substr(0, end + 2);
  if (!head.starts_with("HTTP/1.")) return Unavailable("the API does not speak HTTP/1");
  const int length = ToNumber(Field(head, "content-length"), -1);
  if (length < 0 || length > static_cast<int>(kMaxAnswer)) return Unavailable("the API's answer has no usable length");
  const size_t whole = end + 4 + static_cast<size_t>(length);
  if (in.size() < whole) return false;
  out.status = head.size() > 12 ? ToNumber(std::string_view(head).substr(9, 3), 0) : 0;
  out.retry_after_s = ToNumber(Field(head, "retry-after"), 0);
  out.close = absl::AsciiStrToLower(Field(head, "connection")) == "close";
  out.body = in.substr(end + 4, static_cast<size_t>(length));
  in.erase(0, whole);
  return true;
}

class HttpSource : public EndpointSource {
 public:
  HttpSource(HttpSourceOptions options, relay::client::Url url, const Keyring& keys)
      : options_(std::move(options)), url_(std::move(url)), keys_(keys), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    thread_ = std::thread([this] {
      absl::Status ended = Run();
      const std::lock_guard lock(mutex_);
      status_ = std::move(ended);
    });
  }
  ~HttpSource() override {
    stop_ = true;
    Wake();
    thread_.join();
  }

  void Allow(uint32_t count) override {
    allowed_ += count;
    Wake();
  }
  absl::StatusOr<std::vector<Allocated>> Take() override {
    const std::lock_guard lock(mutex_);
    if (!status_.ok() && ready_.empty()) return status_;
    return std::exchange(ready_, {});
  }
  uint64_t refused() const override { return refused_; }

 private:
  struct Connection {
    Fd fd;
    std::string in;
    bool busy = false;
    uint32_t pair = 0;
  };

  void Wake() const {
    const uint64_t one = 1;
    if (write(wake_.get(), &one, sizeof(one)) < 0) return;  // Full: it is awake.
  }

  std::string Request(uint32_t pair) const {
    const auto [a, b] = KeysOfPair(pair);
    const std::string body = disco::AllocateRequestToJson({keys_.public_key(a), keys_.public_key(b)});
    return absl::StrCat("POST /v0/relay/endpoint HTTP/1.1\r\nHost: ", url_.authority,
                        options_.token.empty() ? "" : absl::StrCat("\r\nAuthorization: Bearer ", options_.token),
                        "\r\nContent-Type: application/json\r\nContent-Length: ", body.size(), "\r\n\r\n", body);
  }

  absl::Status Send(Connection& connection, uint32_t pair) {
    if (connection.fd.get() < 0) {
      auto fd = Connect(url_);
      while (!fd.ok() && !ever_connected_ && !stop_ && Clock::now() < wait_until_) {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        fd = Connect(url_);
      }
      if (!fd.ok()) return fd.status();
      ever_connected_ = true;
      connection.fd = *std::move(fd);
      connection.in.clear();
    }
    const std::string request = Request(pair);
    connection.busy = true;
    connection.pair = pair;
    if (write(connection.fd.get(), request.data(), request.size()) == static_cast<ssize_t>(request.size())) {
      return absl::OkStatus();
    }
    return Unavailable(absl::StrCat("cannot write to ", url_.authority, ": ", std::strerror(errno)));
  }

  // A connection has something to say.
  absl::Status Hear(Connection& connection) {
    char buffer[8192];
    const ssize_t n = read(connection.fd.get(), buffer, sizeof(buffer));
    if (n <= 0) {
      // An idle connection may be closed by its server; one that owes an answer may not.
      connection.fd = Fd();
      if (!connection.busy) return absl::OkStatus();
      return Unavailable(absl::StrCat(url_.authority, " closed the connection without an answer"));
    }
    connection.in.append(buffer, static_cast<size_t>(n));
    Answer answer;
    const absl::StatusOr<bool> whole = TakeAnswer(connection.in, answer);
    if (!whole.ok()) return whole.status();
    if (!*whole) return absl::OkStatus();
    connection.busy = false;
    if (answer.close) connection.fd = Fd();
    return Answered(connection.pair, answer);
  }

  absl::Status Answered(uint32_t pair, const Answer& answer) {
    if (answer.status == 503 || answer.status == 429) {
      ++refused_;
      again_.push_back(pair);
      not_before_ = Clock::now() + std::chrono::seconds(std::clamp(answer.retry_after_s, 1, 10));
      if (Clock::now() - last_success_ < kPatience) return absl::OkStatus();
    }
    if (answer.status != 200) {
      return Unavailable(absl::StrCat(
          "the API refuses to allocate: ",
          relay::client::DescribeRefusal({.status = static_cast<unsigned>(answer.status), .body = answer.body})));
    }
    auto endpoint = disco::ParseServerEndpoint(answer.body);
    if (!endpoint.ok()) {
      return Unavailable(absl::StrCat("the API's answer: ", std::string(endpoint.status().message())));
    }
    last_success_ = Clock::now();
    const std::lock_guard lock(mutex_);
    ready_.push_back({.pair = pair, .endpoint = *std::move(endpoint)});
    return absl::OkStatus();
  }

  absl::Status Ask(std::vector<Connection>& connections) {
    if (Clock::now() < not_before_) return absl::OkStatus();
    for (Connection& connection : connections) {
      if (connection.busy) continue;
      const bool again = !again_.empty();
      if (!again && (next_ >= options_.pairs || allowed_ == 0)) break;
      const uint32_t pair = again ? again_.front() : next_++;
      if (again) {
        again_.pop_front();
      } else {
        --allowed_;
      }
      if (const absl::Status sent = Send(connection, pair); !sent.ok()) return sent;
    }
    return absl::OkStatus();
  }

  absl::Status Run() {
    std::vector<Connection> connections(std::min(options_.connections, options_.pairs));
    std::vector<pollfd> polled;
    Clock::time_point heard = Clock::now();
    last_success_ = heard;
    while (!stop_) {
      if (const absl::Status asked = Ask(connections); !asked.ok()) return asked;
      polled.assign(1, {wake_.get(), POLLIN, 0});
      bool owed = false;
      for (const Connection& connection : connections) {
        polled.push_back({connection.fd.get(), POLLIN, 0});
        owed = owed || connection.busy;
      }
      if (!owed && again_.empty() && next_ >= options_.pairs) return absl::OkStatus();
      const bool waits = Clock::now() < not_before_;
      poll(polled.data(), polled.size(), waits ? 20 : 500);
      uint64_t woken = 0;
      if (polled[0].revents != 0 && read(wake_.get(), &woken, sizeof(woken)) < 0) continue;
      for (size_t i = 0; i < connections.size(); ++i) {
        if (polled[i + 1].revents == 0) continue;
        heard = Clock::now();
        if (const absl::Status taken = Hear(connections[i]); !taken.ok()) return taken;
      }
      if (!owed) heard = Clock::now();
      if (Clock::now() - heard > std::chrono::milliseconds(kAnswerMs)) {
        return Unavailable(absl::StrCat("no answer from ", url_.authority));
      }
    }
    return absl::OkStatus();
  }

  const HttpSourceOptions options_;
  const relay::client::Url url_;
  const Keyring& keys_;
  const Fd wake_;
  std::atomic<bool> stop_{false};
  std::atomic<uint32_t> allowed_{0};  // Raised by the engine, lowered by the thread.
  std::atomic<uint64_t> refused_{0};

  // The thread's.
  uint32_t next_ = 0;
  std::deque<uint32_t> again_;
  Clock::time_point not_before_{};
  Clock::time_point last_success_{};
  const Clock::time_point wait_until_ = Clock::now() + options_.wait;
  bool ever_connected_ = false;

  std::mutex mutex_;
  std::vector<Allocated> ready_;
  absl::Status status_;
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<EndpointSource>> AllocateOverHttp(const HttpSourceOptions& options,
                                                                 const Keyring& keys) {
  absl::StatusOr<relay::client::Url> url = relay::client::Url::Parse(options.url);
  if (!url.ok()) return url.status();
  if (url->tls) return absl::InvalidArgumentError("--relay_api: relay-bench speaks http alone");
  if (options.token.find_first_of("\r\n") != std::string::npos) {
    return absl::InvalidArgumentError("--token holds a line break");
  }
  return std::make_unique<HttpSource>(options, *std::move(url), keys);
}

}  // namespace bench
