// A Stream over a TCP socket.
#ifndef RELAYD_INGRESS_TCP_STREAM_H_
#define RELAYD_INGRESS_TCP_STREAM_H_

#include <functional>
#include <memory>
#include <string>

#include "ingress/event_loop.h"
#include "ingress/socket_io.h"
#include "ingress/stream.h"
#include "ingress/tcp_socket.h"
#include "relay/control/fd.h"

namespace ingress {

class TcpStream : public Stream, private EventLoop::Handler {
 public:
  // `fd` is connected and non-blocking; `ahead`: bytes of it that were read already. nullptr: the loop takes no more.
  static std::unique_ptr<TcpStream> Make(EventLoop& loop, relay::Fd fd, std::string ahead = {});
  // A stream that is being connected: Read and Write say kAgain until it is, kError if that fails. nullptr: it has
  // failed already (errno).
  static std::unique_ptr<TcpStream> Connect(EventLoop& loop, const AddrPort& addr);
  ~TcpStream() override;

  bool connected() const { return connected_; }
  bool broken() const { return io_.broken(); }  // The connection failed, or was reset.

  IoResult Read(std::span<char> into) override;
  IoResult Write(std::string_view bytes) override;
  IoResult EndWrite() override;
  void Abort() override;
  void OnReady(std::function<void()> ready) override { ready_ = std::move(ready); }
  int RawFd() const override;

 private:
  TcpStream(EventLoop& loop, relay::Fd fd, std::string ahead, bool connected)
      : loop_(loop), io_(std::move(fd), std::move(ahead)), connected_(connected) {}
  static std::unique_ptr<TcpStream> Watch(std::unique_ptr<TcpStream> stream);
  void OnEvents(uint32_t events) override;
  void Close();

  EventLoop& loop_;
  SocketIo io_;
  bool connected_;
  std::function<void()> ready_;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_TCP_STREAM_H_
