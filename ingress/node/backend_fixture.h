// For tests of what speaks to backends: a server that does what the test says, and a client's side that notes all.
#ifndef RELAYD_INGRESS_NODE_BACKEND_FIXTURE_H_
#define RELAYD_INGRESS_NODE_BACKEND_FIXTURE_H_

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <utility>

#include "ingress/event_loop.h"
#include "ingress/node/http_exchange.h"
#include "ingress/tcp_socket.h"
#include "ingress/tcp_stream.h"
#include "relay/control/text.h"

namespace ingress {

// One connection as the backend has it.
struct FakePeer {
  explicit FakePeer(std::unique_ptr<Stream> its_stream) : stream(std::move(its_stream)) {
    stream->OnReady([this] { OnReady(); });
  }
  void OnReady() {
    Flush();
    std::array<char, 65536> buffer;
    while (!ended && !pauses) {
      const IoResult result = stream->Read(buffer);
      if (result.status == IoStatus::kAgain) return;
      if (result.status == IoStatus::kOk) received.append(buffer.data(), result.bytes);
      ended = result.status == IoStatus::kEnd || result.status == IoStatus::kError;
      reset = result.status == IoStatus::kError;
    }
  }
  void Flush() {
    while (!to_send.empty()) {
      const IoResult result = stream->Write(to_send);
      if (result.status != IoStatus::kOk) return;
      to_send.erase(0, result.bytes);
      sent += result.bytes;
    }
    if (ends) stream->EndWrite();
  }
  void Send(std::string_view bytes) {
    to_send += bytes;
    Flush();
  }
  void SendAndEnd(std::string_view bytes) {
    ends = true;
    Send(bytes);
  }

  std::unique_ptr<Stream> stream;
  std::string received;
  std::string to_send;
  size_t sent = 0;
  bool ends = false;    // A FIN behind to_send.
  bool pauses = false;  // Reads nothing; then OnReady again.
  bool ended = false;   // The other side has, or
  bool reset = false;   // so.
};

class FakeServer : private EventLoop::Handler {
 public:
  explicit FakeServer(EventLoop& loop)
      : loop_(loop), listener_(*ListenTcp(AddrPort::FromIpv4({127, 0, 0, 1}, 0), 128)) {
    loop_.Add(listener_.get(), EPOLLIN, *this);
  }
  ~FakeServer() override { loop_.Remove(listener_.get(), *this); }
  AddrPort addr() const { return LocalAddr(listener_.get()); }

  std::list<FakePeer> peers;  // In the order of their coming.
  bool pauses = false;        // Those to come.
  std::function<std::unique_ptr<Stream>(relay::Fd)> wrap = [this](relay::Fd fd) -> std::unique_ptr<Stream> {
    return TcpStream::Make(loop_, std::move(fd));
  };

 private:
  void OnEvents(uint32_t) override {
    AddrPort remote;
    while (true) {
      relay::Fd fd = AcceptTcp(listener_.get(), remote);
      if (fd.get() < 0) return;
      FakePeer& peer = peers.emplace_back(wrap(std::move(fd)));
      peer.pauses = pauses;
      peer.OnReady();
    }
  }

  EventLoop& loop_;
  relay::Fd listener_;
};

// The client's side, with the answer as one text: `[200 X=y]body{Trailer=z}.`; `!` if it was aborted.
struct FakeTransaction : HttpTransaction {
  void SendHead(const ResponseHead& head) override {
    relay::text::AppendAll(answer, "[", head.status);
    if (head.content_length) relay::text::AppendAll(answer, " ", *head.content_length);
    for (const auto& [name, value] : head.fields) relay::text::AppendAll(answer, " ", name, "=", value);
    answer += "]";
  }
  size_t SendBody(std::string_view bytes) override {
    const size_t taken = std::min(bytes.size(), room);
    room -= taken;
    answer += bytes.substr(0, taken);
    return taken;
  }
  void Finish(const HttpFields& trailers) override {
    for (const auto& [name, value] : trailers) relay::text::AppendAll(answer, "{", name, "=", value, "}");
    answer += ".";
    done = true;
  }
  void Abort() override {
    answer += "!";
    done = true;
  }
  void Consumed(size_t bytes) override { consumed += bytes; }
  std::unique_ptr<Stream> Upgrade(const ResponseHead& head) override {
    SendHead(head);
    return std::move(upgrade);
  }

  std::string answer;
  size_t room = SIZE_MAX;
  size_t consumed = 0;
  bool done = false;
  std::unique_ptr<Stream> upgrade;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_BACKEND_FIXTURE_H_
