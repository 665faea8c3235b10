// Reading and writing of one edge-triggered socket, with as few system calls as its events allow. What TcpStream and
// TlsStream share.
#ifndef RELAYD_INGRESS_SOCKET_IO_H_
#define RELAYD_INGRESS_SOCKET_IO_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "ingress/stream.h"
#include "relay/control/fd.h"

namespace ingress {

class SocketIo {
 public:
  // What it must be added to a loop with.
  static const uint32_t kEvents;

  // `ahead`: bytes of it that were read already; Read gives them first.
  SocketIo(relay::Fd fd, std::string ahead) : fd_(std::move(fd)), ahead_(std::move(ahead)) {}

  IoResult Read(std::span<char> into);
  // Of no bytes: tells whether it is broken.
  IoResult Write(std::string_view bytes);
  void Note(uint32_t events);  // As epoll reports them.
  void EndWrite();             // FIN.

  int fd() const { return fd_.get(); }
  bool has_ahead() const { return !ahead_.empty(); }
  bool ended() const { return ended_; }  // The other side's FIN was read.
  // Reset, or the connection failed. What came before may still be there to read.
  bool broken() const { return broken_ || errored_; }
  void SetBroken() { broken_ = true; }
  relay::Fd Release() { return std::move(fd_); }
  std::string TakeAhead();  // What of `ahead` was not read.

 private:
  relay::Fd fd_;
  std::string ahead_;
  size_t ahead_at_ = 0;
  // False after EAGAIN, and after less than was asked for: the next event says when to try again (epoll(7)). At first
  // too: what is there already when it is added to the loop makes an event.
  bool readable_ = false;
  bool writable_ = true;
  bool hung_up_ = false;  // A FIN is in the queue: the end must be read, however short a read was.
  bool ended_ = false;
  bool errored_ = false;  // As an event told: no write will succeed, but reads may.
  bool broken_ = false;
  bool reset_ = false;  // send() has said so, and recv() will not say it again.
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_SOCKET_IO_H_
