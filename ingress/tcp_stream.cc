#include "ingress/tcp_stream.h"

#include <sys/socket.h>

#include <utility>

namespace ingress {

std::unique_ptr<TcpStream> TcpStream::Watch(std::unique_ptr<TcpStream> stream) {
  if (!stream->loop_.Add(stream->io_.fd(), SocketIo::kEvents, *stream)) return nullptr;
  return stream;
}

std::unique_ptr<TcpStream> TcpStream::Make(EventLoop& loop, relay::Fd fd, std::string ahead) {
  return Watch(std::unique_ptr<TcpStream>(new TcpStream(loop, std::move(fd), std::move(ahead), true)));
}

std::unique_ptr<TcpStream> TcpStream::Connect(EventLoop& loop, const AddrPort& addr) {
  relay::Fd fd = ConnectTcp(addr);
  if (fd.get() < 0) return nullptr;
  return Watch(std::unique_ptr<TcpStream>(new TcpStream(loop, std::move(fd), {}, false)));
}

TcpStream::~TcpStream() { Close(); }

void TcpStream::Close() {
  if (io_.fd() < 0) return;
  loop_.Forget(*this);
  io_.Release();
}

void TcpStream::OnEvents(uint32_t events) {
  io_.Note(events);
  if (!connected_) {
    int error = 0;
    socklen_t size = sizeof(error);
    if (getsockopt(io_.fd(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
      io_.SetBroken();
    } else if ((events & EPOLLHUP) == 0) {  // Which says that it has not begun to connect.
      connected_ = true;
    }
  }
  // A copy: the stream may be destroyed by it.
  if (const std::function<void()> ready = ready_; ready) ready();
}

IoResult TcpStream::Read(std::span<char> into) {
  if (!connected_) return {io_.broken() ? IoStatus::kError : IoStatus::kAgain};
  return io_.Read(into);
}

IoResult TcpStream::Write(std::string_view bytes) {
  if (!connected_) return {io_.broken() ? IoStatus::kError : IoStatus::kAgain};
  return io_.Write(bytes);
}

IoResult TcpStream::EndWrite() {
  if (io_.broken()) return {IoStatus::kError};
  if (!connected_) return {};
  io_.EndWrite();
  return {IoStatus::kOk};
}

void TcpStream::Abort() {
  if (io_.fd() < 0) return;
  ResetOnClose(io_.fd());
  io_.SetBroken();
  Close();
}

int TcpStream::RawFd() const { return connected_ && !io_.has_ahead() && !io_.broken() ? io_.fd() : -1; }

}  // namespace ingress
