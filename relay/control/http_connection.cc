#include "relay/control/http_connection.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <cstring>
#include <functional>
#include <type_traits>
#include <utility>

#include "relay/control/http_parser.h"

namespace relay {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using TlsStream = asio::ssl::stream<TcpSocket>;

// Room for a whole head, which the parser wants in one piece, and for most of a body behind it.
constexpr size_t kBufferBytes = 16384;

Instant Now() { return std::chrono::steady_clock::now(); }

// A TLS stream refers to its context, which a reload replaces.
template <typename Stream>
struct ContextHolder {
  std::shared_ptr<asio::ssl::context> context;
};
template <>
struct ContextHolder<TcpSocket> {};

// One operation at a time is under way: handshake, read, handling, write, and at last lingering.
template <typename Stream>
class Connection final : public HttpConnection,
                         public Exchange,
                         public std::enable_shared_from_this<Connection<Stream>> {
 public:
  static constexpr bool kTls = std::is_same_v<Stream, TlsStream>;

  template <typename... Args>
  Connection(HttpService& service, const AddrPort& remote, ContextHolder<Stream> holder, Args&&... args)
      : HttpConnection(Prefix::OfSource(remote)),
        service_(service),
        holder_(std::move(holder)),
        stream_(std::forward<Args>(args)...),
        remote_(remote) {
    error_code ec;
    local_ = ToAddrPort(stream_.lowest_layer().local_endpoint(ec));
  }

  void Start() override {
    if constexpr (kTls) {
      deadline_ = Now() + service_.times.request;
      stream_.async_handshake(asio::ssl::stream_base::server, [self = this->shared_from_this()](error_code ec) {
        if (!ec) return self->Next();
        self->service_.stats.tls_failed.Add(1);
        self->Close();
      });
    } else {
      Next();
    }
  }

  void Close() override {
    if (std::exchange(closed_, true)) return;
    if (reading_request_) service_.stats.timed_out.Add(IsLate(Now()) ? 1 : 0);
    error_code ignored;
    stream_.lowest_layer().close(ignored);
    service_.forget(this);
  }

  void Respond(HttpResponse response) override {
    if (service_.one_thread()) return Send(response);
    asio::post(service_.io, [self = this->shared_from_this(), moved = std::move(response)] { self->Send(moved); });
  }

  void Hijack(Taker taker) override {
    if constexpr (kTls) {
      Respond(HttpResponse::Error(400, "not over TLS"));
    } else if (!std::exchange(closed_, true)) {
      service_.forget(this);
      error_code ec;
      const int fd = stream_.release(ec);
      if (!ec) taker(fd, std::string(Unread()));
    }
  }

 private:
  std::string_view Unread() const { return {in_.data() + begin_, end_ - begin_}; }

  // To the next request: the bytes of a pipelined one may be here already.
  void Next() {
    parser_.Reset();
    continued_ = false;
    reading_request_ = begin_ < end_;
    deadline_ = Now() + (reading_request_ ? service_.times.request : service_.times.idle);
    reading_request_ ? Parse() : Read();
  }

  void Read() {
    std::memmove(in_.data(), in_.data() + begin_, end_ - begin_);
    end_ -= std::exchange(begin_, 0);
    if (end_ == in_.size()) return Refuse(400, "malformed request");
    stream_.async_read_some(asio::buffer(in_.data() + end_, in_.size() - end_),
                            [self = this->shared_from_this()](error_code ec, size_t size) {
                              const TaskTimer timer(self->service_.io_tasks());
                              self->OnRead(ec, size);
                            });
  }

  void OnRead(error_code ec, size_t size) {
    if (ec) return Close();
    if (!std::exchange(reading_request_, true)) deadline_ = Now() + service_.times.request;
    end_ += size;
    Parse();
  }

  void Parse() {
    begin_ += parser_.Put(Unread());
    switch (parser_.state()) {
      case HttpParser::State::kReading:
        return !continued_ && parser_.WaitsForContinue() ? Continue() : Read();
      case HttpParser::State::kComplete:
      case HttpParser::State::kBodyTooBig:
        return Dispatch();
      case HttpParser::State::kHeadTooBig:
        return Refuse(431, "request header too large");
      case HttpParser::State::kMalformed:
        return Refuse(400, "malformed request");
    }
  }

  void Continue() {
    continued_ = true;
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    asio::async_write(stream_, asio::buffer(kContinue),
                      [self = this->shared_from_this()](error_code ec, size_t) { ec ? self->Close() : self->Read(); });
  }

  void Dispatch() {
    deadline_ = Instant::max();
    reading_request_ = false;
    HttpRequest& request = parser_.request();
    request.remote = remote_;
    request.local = local_;
    request.tls = kTls;
    if (service_.one_thread()) return service_.handler.Handle(request, this->shared_from_this());
    asio::post(service_.control, [self = this->shared_from_this()] {
      const TaskTimer timer(self->service_.tasks);
      self->service_.handler.Handle(self->parser_.request(), self);
    });
  }

  void Refuse(int status, std::string_view line) {
    reading_request_ = false;
    Write(HttpResponse::Error(status, line), {.close = true});
  }

  void Send(const HttpResponse& response) {
    if (closed_) return;
    const HttpRequest& request = parser_.request();
    const bool keep = !response.close && !request.body_too_big && parser_.keep_alive();
    Write(response, {.head_only = request.method == "HEAD", .close = !keep, .say_keep_alive = keep && !request.http11});
  }

  void Write(const HttpResponse& response, const ResponseFraming& framing) {
    service_.stats.CountResponse(response.status);
    WriteResponse(response, framing, out_);
    deadline_ = Now() + service_.times.idle;
    asio::async_write(stream_, asio::buffer(out_),
                      [self = this->shared_from_this(), close = framing.close](error_code ec, size_t) {
                        const TaskTimer timer(self->service_.io_tasks());
                        if (ec) return self->Close();
                        if (self->out_.capacity() > kBufferBytes) self->out_ = {};
                        close ? self->Linger() : self->Next();
                      });
  }

  // Ends our side and reads on for a while: closing with bytes unread would reset the connection, and the answer be
  // lost.
  void Linger() {
    deadline_ = Now() + service_.times.linger;
    if constexpr (kTls) {
      stream_.async_shutdown([self = this->shared_from_this()](error_code) { self->Close(); });
    } else {
      error_code ignored;
      stream_.shutdown(TcpSocket::shutdown_send, ignored);
      Discard();
    }
  }

  void Discard() {
    stream_.async_read_some(asio::buffer(in_), [self = this->shared_from_this()](error_code ec, size_t) {
      ec ? self->Close() : self->Discard();
    });
  }

  HttpService& service_;
  ContextHolder<Stream> holder_;
  Stream stream_;
  AddrPort remote_, local_;
  HttpParser parser_;
  std::array<char, kBufferBytes> in_;
  size_t begin_ = 0, end_ = 0;  // What is in in_ and not parsed.
  std::string out_;
  bool continued_ = false;        // 100 Continue was sent.
  bool reading_request_ = false;  // Its first byte is here, its last is not.
  bool closed_ = false;
};

}  // namespace

std::shared_ptr<HttpConnection> MakeHttpConnection(HttpService& service, TcpSocket socket, const AddrPort& remote,
                                                   std::shared_ptr<asio::ssl::context> tls) {
  if (tls == nullptr) {
    return std::make_shared<Connection<TcpSocket>>(service, remote, ContextHolder<TcpSocket>{}, std::move(socket));
  }
  asio::ssl::context& context = *tls;
  return std::make_shared<Connection<TlsStream>>(service, remote, ContextHolder<TlsStream>{std::move(tls)},
                                                 std::move(socket), context);
}

AddrPort ToAddrPort(const asio::ip::tcp::endpoint& endpoint) {
  if (endpoint.address().is_v4()) return AddrPort::FromIpv4(endpoint.address().to_v4().to_bytes(), endpoint.port());
  const asio::ip::address_v6 v6 = endpoint.address().to_v6();
  return {.ip = v6.to_bytes(), .scope = static_cast<uint32_t>(v6.scope_id()), .port = endpoint.port()};
}

asio::ip::tcp::endpoint ToEndpoint(const AddrPort& addr) {
  if (!addr.IsIpv4()) return {asio::ip::address_v6(addr.ip, addr.scope), addr.port};
  return {asio::ip::address_v4({addr.ip[12], addr.ip[13], addr.ip[14], addr.ip[15]}), addr.port};
}

}  // namespace relay
