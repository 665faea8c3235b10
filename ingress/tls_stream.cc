#include "ingress/tls_stream.h"

#include <openssl/bio.h>
#include <openssl/err.h>

#include <algorithm>
#include <utility>

#include "ingress/tcp_socket.h"
#include "ingress/tls_hello.h"

namespace ingress {
namespace {

// Four of the largest records: one write sends them all.
constexpr size_t kWriteBytes = 65'536;
constexpr size_t kReadBuffer = 65'536;
// Beyond so much that a client does not read, nothing more is read of it: what it sends may have to be answered
// (KeyUpdate). More than one write's records, so that data alone never comes there.
constexpr size_t kMaxUnsent = 2 * kWriteBytes;
// Of a client whose records hold no data: tickets cost nothing, but KeyUpdates cost us more than who sends them, and
// OpenSSL goes through all that it has read before it returns. Then others have their turn.
constexpr size_t kReadWithoutData = 2048;
constexpr size_t kMaxHelloBytes = 65'536;  // A hello of 16 KiB is long; early data may stand behind it.

// What OpenSSL writes within one call of ours: sent at its end. One a thread, as no two streams are within a call.
std::string& Staging() {
  static thread_local std::string staging;
  return staging;
}

}  // namespace

struct TlsStream::Bio {
  static TlsStream& Of(BIO* bio) { return *static_cast<TlsStream*>(BIO_get_data(bio)); }

  static int Read(BIO* bio, char* into, int size) {
    BIO_clear_retry_flags(bio);
    TlsStream& self = Of(bio);
    const size_t most = std::min(static_cast<size_t>(size), self.read_most_);
    const IoResult result = self.io_.Read({into, most});
    self.starved_ = result.status == IoStatus::kAgain;
    if (self.starved_) BIO_set_retry_read(bio);
    if (result.status != IoStatus::kOk) return result.status == IoStatus::kEnd ? 0 : -1;
    if (self.recording_) {
      if (self.hello_.size() + result.bytes > kMaxHelloBytes) return -1;
      self.hello_.append(into, result.bytes);
    }
    return static_cast<int>(result.bytes);
  }
  static int Write(BIO*, const char* bytes, int size) {
    Staging().append(bytes, static_cast<size_t>(size));
    return size;
  }
  static long Control(BIO* bio, int command, long, void*) {
    if (command == BIO_CTRL_EOF) return Of(bio).io_.ended() ? 1 : 0;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
  }
  static const BIO_METHOD* Method() {
    static BIO_METHOD* const kMethod = [] {
      BIO_METHOD* const method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
      BIO_meth_set_read(method, &Bio::Read);
      BIO_meth_set_write(method, &Bio::Write);
      BIO_meth_set_ctrl(method, &Bio::Control);
      return method;
    }();
    return kMethod;
  }
};

TlsStream::TlsStream(EventLoop& loop, relay::Fd fd, std::string ahead, Ssl ssl, std::shared_ptr<LingeringCloser> closer)
    : loop_(loop),
      io_(std::move(fd), std::move(ahead)),
      ssl_(std::move(ssl)),
      closer_(std::move(closer)),
      read_most_(kReadBuffer),
      again_(loop, [this] { TellReady(); }) {
  BIO* const bio = BIO_new(Bio::Method());
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_app_data(ssl_.get(), this);
  SSL_set_mode(ssl_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                               SSL_MODE_RELEASE_BUFFERS);  // An idle connection holds no buffers.
  SSL_clear_mode(ssl_.get(), SSL_MODE_AUTO_RETRY);         // What is no data comes to Read record by record.
  SSL_set_options(ssl_.get(), SSL_OP_NO_RENEGOTIATION);
  SSL_set_read_ahead(ssl_.get(), 1);
  SSL_set_default_read_buffer_len(ssl_.get(), kReadBuffer);
}

std::unique_ptr<TlsStream> TlsStream::Make(EventLoop& loop, relay::Fd fd, std::string ahead, Ssl ssl,
                                           std::shared_ptr<LingeringCloser> closer) {
  std::unique_ptr<TlsStream> stream(
      new TlsStream(loop, std::move(fd), std::move(ahead), std::move(ssl), std::move(closer)));
  if (!loop.Add(stream->io_.fd(), SocketIo::kEvents, *stream)) return nullptr;
  return stream;
}

TlsStream::~TlsStream() {
  if (io_.fd() < 0) return;
  const bool finished = ended_ && end_sent_ && unsent_.empty();
  if (!end_sent_ && !failed_ && !taken_back_) EndWrite();
  if (finished || io_.broken() || (io_.ended() && unsent_.empty())) {
    Close();
    return;
  }
  loop_.Remove(io_.fd(), *this);
  closer_->Close(io_.Release(), std::move(unsent_));
}

void TlsStream::Close() {
  loop_.Forget(*this);
  io_.Release();
}

void TlsStream::OnEvents(uint32_t events) {
  io_.Note(events);
  if (!unsent_.empty()) Flush();
  TellReady();
}

void TlsStream::TellReady() {
  // A copy: the stream may be destroyed by it.
  if (const std::function<void()> ready = ready_; ready) ready();
}

bool TlsStream::Flush() {
  std::string& staging = Staging();
  std::string_view rest = unsent_.empty() ? std::string_view(staging) : std::string_view(unsent_);
  if (!unsent_.empty() && !staging.empty()) rest = unsent_.append(staging);
  while (!rest.empty()) {
    const IoResult result = io_.Write(rest);
    if (result.status != IoStatus::kOk) break;
    rest.remove_prefix(result.bytes);
  }
  if (io_.broken()) rest = {};
  if (unsent_.empty() || rest.empty()) {
    std::string(rest).swap(unsent_);  // An empty one keeps no memory.
  } else {
    unsent_.erase(0, unsent_.size() - rest.size());
  }
  staging.clear();
  return unsent_.empty();
}

void TlsStream::OnHello(std::function<TlsVerdict(const TlsHello&)> decide) {
  SSL_CTX* const context = SSL_get_SSL_CTX(ssl_.get());
  SSL_CTX_set_client_hello_cb(context, &TlsStream::DecideHello, nullptr);
  SSL_CTX_set_alpn_select_cb(context, &TlsStream::SelectAlpn, nullptr);
  decide_ = std::move(decide);
  recording_ = true;
}

int TlsStream::DecideHello(SSL* ssl, int* alert, void*) {
  TlsStream& self = *static_cast<TlsStream*>(SSL_get_app_data(ssl));
  if (!self.decide_) return SSL_CLIENT_HELLO_SUCCESS;  // Asked already.
  *alert = SSL_AD_DECODE_ERROR;
  const std::optional<TlsHello> hello = ReadHello(ssl);
  if (!hello) return SSL_CLIENT_HELLO_ERROR;
  const TlsVerdict verdict = std::exchange(self.decide_, {})(*hello);
  self.taken_back_ = verdict.what == TlsVerdict::What::kTakeBack;
  if (self.taken_back_) return SSL_CLIENT_HELLO_RETRY;
  self.recording_ = false;
  std::string().swap(self.hello_);
  self.alpn_ = verdict.alpn;
  *alert = verdict.alert;
  return verdict.what == TlsVerdict::What::kGoOn ? SSL_CLIENT_HELLO_SUCCESS : SSL_CLIENT_HELLO_ERROR;
}

int TlsStream::SelectAlpn(SSL* ssl, const unsigned char** out, unsigned char* out_size, const unsigned char*, unsigned,
                          void*) {
  const std::string_view alpn = static_cast<TlsStream*>(SSL_get_app_data(ssl))->alpn_;
  if (alpn.empty()) return SSL_TLSEXT_ERR_NOACK;
  *out = reinterpret_cast<const unsigned char*>(alpn.data());
  *out_size = static_cast<unsigned char>(alpn.size());
  return SSL_TLSEXT_ERR_OK;
}

TlsStream::Step TlsStream::Handshake() {
  if (failed_ || io_.fd() < 0) return Step::kFailed;
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  const int error = SSL_get_error(ssl_.get(), result);
  if (taken_back_) return Step::kTakeBack;
  Flush();
  if (result == 1) return Step::kDone;
  if (error == SSL_ERROR_WANT_READ && !io_.broken()) return Step::kAgain;
  failed_ = true;
  return Step::kFailed;
}

relay::Fd TlsStream::TakeBack(std::string& ahead) {
  loop_.Remove(io_.fd(), *this);
  ahead = std::move(hello_) + io_.TakeAhead();
  return io_.Release();
}

IoResult TlsStream::Read(std::span<char> into) {
  if (failed_ || io_.fd() < 0) return {IoStatus::kError};
  if (ended_) return {IoStatus::kEnd};
  if (!unsent_.empty() && !Flush() && unsent_.size() > kMaxUnsent) return {};
  IoResult result;
  while (result.bytes < into.size()) {
    size_t size = 0;
    ERR_clear_error();
    if (SSL_read_ex(ssl_.get(), into.data() + result.bytes, into.size() - result.bytes, &size) == 1) {
      result.bytes += size;
      read_most_ = kReadBuffer;
      continue;
    }
    const int error = SSL_get_error(ssl_.get(), 0);
    ended_ = error == SSL_ERROR_ZERO_RETURN;
    failed_ = !ended_ && error != SSL_ERROR_WANT_READ;
    if (!ended_ && !failed_ && !starved_) {
      read_most_ = kReadWithoutData;
      again_.Schedule();
    }
    break;
  }
  Flush();
  if (result.bytes > 0) return {IoStatus::kOk, result.bytes};
  return {failed_ ? IoStatus::kError : ended_ ? IoStatus::kEnd : IoStatus::kAgain};
}

IoResult TlsStream::Write(std::string_view bytes) {
  if (failed_ || io_.broken() || io_.fd() < 0) return {IoStatus::kError};
  if (bytes.empty()) return {};
  if (end_sent_) return {IoStatus::kError};
  if (!unsent_.empty() && !Flush()) return {};
  IoResult result;
  const size_t most = std::min(bytes.size(), kWriteBytes);
  while (result.bytes < most) {
    size_t size = 0;
    ERR_clear_error();
    if (SSL_write_ex(ssl_.get(), bytes.data() + result.bytes, most - result.bytes, &size) != 1) {
      failed_ = SSL_get_error(ssl_.get(), 0) != SSL_ERROR_WANT_READ;  // Which it may want within a handshake.
      break;
    }
    result.bytes += size;
  }
  Flush();
  failed_ = failed_ || io_.broken();
  if (failed_) return {IoStatus::kError};
  return result.bytes > 0 ? IoResult{IoStatus::kOk, result.bytes} : IoResult{};
}

IoResult TlsStream::EndWrite() {
  if (failed_ || io_.fd() < 0) return {IoStatus::kError};
  if (!std::exchange(end_sent_, true)) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());  // Writes close_notify; that the other one's is not there yet is no error.
  }
  if (!Flush()) return {};
  if (io_.broken()) return {IoStatus::kError};
  io_.EndWrite();
  return {IoStatus::kOk};
}

void TlsStream::Abort() {
  failed_ = true;
  if (io_.fd() < 0) return;
  ResetOnClose(io_.fd());
  Close();
}

}  // namespace ingress
