#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/funnel_peer/hello.h"
#include "bench/funnel_peer/peer.h"
#include "bench/funnel_peer/sockets.h"

namespace bench {
namespace {

using ingress::EventLoop;

char g_buffer[1 << 18];  // One thread.

class Client;

class Connection : public EventLoop::Handler {
 public:
  Connection(Client& client, const std::string& name);
  ~Connection() override { SSL_free(ssl_); }
  bool Start();
  int fd() const { return fd_.get(); }
  void OnEvents(uint32_t events) override;

 private:
  enum class Step : uint8_t { kConnect, kAnswer, kHandshake, kRead };
  bool Go(bool& done);  // False: it failed.
  bool ReadAnswer();
  bool Handshake(bool& again);
  bool Drain(bool& done);

  Client& client_;
  const std::string& name_;
  relay::Fd fd_ = MakeTcp();
  SSL* ssl_ = nullptr;
  Step step_ = Step::kConnect;
  std::string head_;
  bool first_byte_ = false;
};

class Client {
 public:
  Client(EventLoop& loop, const ClientOptions& given) : options(given), loop_(loop) {
    for (uint32_t i = 0; i < options.name_count; ++i) {
      std::string name = options.names;
      if (const size_t place = name.find('%'); place != std::string::npos) name.replace(place, 1, std::to_string(i));
      names_.push_back(std::move(name));
      hellos_.push_back(MakeHello(names_.back()));
    }
    if (options.tls) {
      tls = SSL_CTX_new(TLS_client_method());
      SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
      SSL_CTX_set_options(tls, SSL_OP_NO_TICKET | SSL_OP_IGNORE_UNEXPECTED_EOF);
    }
  }
  ~Client() {
    for (Connection* const connection : held_) delete connection;
    SSL_CTX_free(tls);
  }

  void Fill() {
    while (open_ < options.connections && started_ < options.total) {
      auto* const connection = new Connection(*this, names_[started_++ % names_.size()]);
      ++open_;
      if (!connection->Start() ||
          !loop_.Add(connection->fd(), EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, *connection)) {
        ++failed;
        --open_;
        delete connection;
      }
    }
    if (open_ == 0 && started_ == options.total) loop_.Stop();
  }

  void End(Connection* connection, bool ok) {
    loop_.Remove(connection->fd(), *connection);
    (ok ? finished : failed) += 1;
    --open_;
    delete connection;
    Fill();
  }

  // Its first byte has come.
  void Hold(Connection* connection) {
    held_.push_back(connection);
    if (held_.size() + failed < options.total) {
      ++options.connections;  // The next one may begin.
      return Fill();
    }
    std::printf("held %zu\n", held_.size());
    std::fflush(stdout);
  }

  const std::string& HelloOf(const std::string& name) const { return hellos_[static_cast<size_t>(&name - &names_[0])]; }

  ClientOptions options;
  SSL_CTX* tls = nullptr;
  uint64_t finished = 0, failed = 0, bytes = 0;

 private:
  EventLoop& loop_;
  std::vector<std::string> names_, hellos_;
  std::vector<Connection*> held_;
  uint64_t started_ = 0;
  uint32_t open_ = 0;
};

Connection::Connection(Client& client, const std::string& name) : client_(client), name_(name) {}

bool Connection::Start() {
  const sockaddr_in addr = ToSockaddr(client_.options.connect);
  if (connect(fd_.get(), reinterpret_cast<const sockaddr*>(&addr), sizeof(addr)) != 0 && errno != EINPROGRESS) {
    return false;
  }
  if (client_.options.tls) {
    ssl_ = SSL_new(client_.tls);
    SSL_set_fd(ssl_, fd_.get());
    SSL_set_tlsext_host_name(ssl_, name_.c_str());
    SSL_set_connect_state(ssl_);
  }
  return true;
}

void Connection::OnEvents(uint32_t events) {
  if (step_ == Step::kConnect && !(events & (EPOLLOUT | EPOLLERR | EPOLLHUP))) return;
  bool done = false;
  if (!Go(done)) return client_.End(this, false);
  if (done) return client_.End(this, true);
  if (client_.options.hold && step_ == Step::kRead && first_byte_ && !head_.empty()) {
    head_.clear();
    client_.Hold(this);
  }
}

bool Connection::Go(bool& done) {
  const ClientOptions& options = client_.options;
  if (step_ == Step::kConnect) {
    std::string out;
    if (options.peerapi) {
      out = "POST /v0/ingress HTTP/1.1\r\nHost: " + options.connect.ToString() +
            "\r\nTailscale-Ingress-Src: 198.51.100.7:40000\r\nTailscale-Ingress-Target: " + name_ + ':' +
            std::to_string(options.target_port) + "\r\nContent-Length: 0\r\n\r\n";
      step_ = Step::kAnswer;
    } else {
      if (options.hello) out = client_.HelloOf(name_);
      step_ = options.tls ? Step::kHandshake : Step::kRead;
    }
    if (!out.empty() && write(fd_.get(), out.data(), out.size()) != static_cast<ssize_t>(out.size())) return false;
  }
  if (step_ == Step::kAnswer) {
    if (!ReadAnswer()) return false;
    if (step_ == Step::kAnswer) return true;
  }
  if (step_ == Step::kHandshake) {
    bool again = false;
    if (!Handshake(again)) return false;
    if (again) return true;
  }
  return Drain(done);
}

// Byte by byte would do: what stands behind the head is TLS's.
bool Connection::ReadAnswer() {
  char byte = 0;
  while (!head_.ends_with("\r\n\r\n")) {
    const ssize_t size = read(fd_.get(), &byte, 1);
    if (size <= 0) return size < 0 && errno == EAGAIN;
    head_ += byte;
  }
  if (!head_.starts_with("HTTP/1.1 101")) return false;
  head_.clear();
  step_ = client_.options.tls ? Step::kHandshake : Step::kRead;
  return true;
}

bool Connection::Handshake(bool& again) {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  if (result != 1) {
    const int error = SSL_get_error(ssl_, result);
    again = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
    return again;
  }
  step_ = Step::kRead;
  return SSL_write(ssl_, "x", 1) == 1;
}

bool Connection::Drain(bool& done) {
  for (;;) {
    ssize_t size = 0;
    if (ssl_ != nullptr) {
      ERR_clear_error();
      size = SSL_read(ssl_, g_buffer, sizeof(g_buffer));
      if (size <= 0) {
        const int error = SSL_get_error(ssl_, static_cast<int>(size));
        done = error == SSL_ERROR_ZERO_RETURN;
        return done || error == SSL_ERROR_WANT_READ;
      }
    } else {
      size = read(fd_.get(), g_buffer, sizeof(g_buffer));
      if (size < 0) return errno == EAGAIN;
      if (size == 0) {
        done = first_byte_;
        return done;
      }
    }
    if (!std::exchange(first_byte_, true)) head_ = "x";  // For Hold, once.
    client_.bytes += static_cast<uint64_t>(size);
  }
}

}  // namespace

int RunClient(const ClientOptions& options) {
  EventLoop loop;
  StopAtSignal stop(loop);
  Client client(loop, options);
  const auto began = std::chrono::steady_clock::now();
  client.Fill();
  loop.Run();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  std::printf("{\"seconds\": %.6f, \"connections\": %lu, \"bytes\": %lu, \"failed\": %lu}\n", took.count(),
              client.finished, client.bytes, client.failed);
  return 0;
}

}  // namespace bench
