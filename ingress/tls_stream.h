// A Stream over TLS, by OpenSSL straight on the socket: no copy between the two, and one write for several records.
#ifndef RELAYD_INGRESS_TLS_STREAM_H_
#define RELAYD_INGRESS_TLS_STREAM_H_

#include <openssl/ssl.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ingress/event_loop.h"
#include "ingress/lingering_close.h"
#include "ingress/socket_io.h"
#include "ingress/stream.h"
#include "relay/control/fd.h"

namespace ingress {

// What a client asks for, before anything is answered. Valid while it is looked at.
struct TlsHello {
  std::optional<std::string_view> server_name;  // As sent.
  std::vector<std::string_view> alpn;
};

struct TlsVerdict {
  enum class What : uint8_t { kGoOn, kRefuse, kTakeBack };
  What what = What::kGoOn;
  int alert = SSL_AD_INTERNAL_ERROR;  // Of kRefuse.
  std::string_view alpn = {};         // Of kGoOn: the protocol to answer; lives for ever. Empty: none.
};

// TLS has its own end, close_notify: a FIN without it may be an attacker's, who cuts a message short (RFC 8446 section
// 6.1), so it is kError, as a reset is. HTTP loses nothing by it: a message that is framed is whole or it is not.
class TlsStream : public Stream, private EventLoop::Handler {
 public:
  struct FreeSsl {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  using Ssl = std::unique_ptr<SSL, FreeSsl>;
  enum class Step : uint8_t { kDone, kAgain, kTakeBack, kFailed };

  // `ssl` has been set to accept or to connect; `fd` is non-blocking and may still be connecting; `ahead`: bytes of it
  // that were read already. nullptr: the loop takes no more. The closer keeps the last word from being lost.
  static std::unique_ptr<TlsStream> Make(EventLoop& loop, relay::Fd fd, std::string ahead, Ssl ssl,
                                         std::shared_ptr<LingeringCloser> closer);
  ~TlsStream() override;

  // Server side, before the first step: asked once the ClientHello is whole. Becomes the context's callback for that
  // and for ALPN, which therefore belong to this class, on one thread.
  void OnHello(std::function<TlsVerdict(const TlsHello&)> decide);
  // Does what can be done now, at most one private key operation. kFailed: the alert is sent. Read and Write would go
  // on with the handshake too.
  Step Handshake();
  // After kTakeBack: the connection as it came, and every byte of it so far. Nothing was answered.
  relay::Fd TakeBack(std::string& ahead);
  SSL* ssl() const { return ssl_.get(); }
  size_t unsent_bytes() const { return unsent_.size(); }  // Records that wait for room.

  IoResult Read(std::span<char> into) override;
  IoResult Write(std::string_view bytes) override;
  IoResult EndWrite() override;
  void Abort() override;
  void OnReady(std::function<void()> ready) override { ready_ = std::move(ready); }

 private:
  struct Bio;  // OpenSSL's way to the socket.
  friend struct Bio;

  TlsStream(EventLoop& loop, relay::Fd fd, std::string ahead, Ssl ssl, std::shared_ptr<LingeringCloser> closer);
  static int DecideHello(SSL* ssl, int* alert, void*);
  static int SelectAlpn(SSL* ssl, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                        unsigned in_size, void*);
  void OnEvents(uint32_t events) override;
  void TellReady();
  bool Flush();  // Sends what OpenSSL has written. True: all of it.
  void Close();

  EventLoop& loop_;
  SocketIo io_;
  Ssl ssl_;
  std::shared_ptr<LingeringCloser> closer_;
  std::function<void()> ready_;
  std::function<TlsVerdict(const TlsHello&)> decide_;
  std::string_view alpn_;
  std::string hello_;        // While recording_: every byte that OpenSSL has read.
  std::string unsent_;       // Records that the socket had no room for.
  bool recording_ = false;   // Until the hello is whole.
  bool taken_back_ = false;  // The verdict was kTakeBack.
  bool ended_ = false;       // close_notify received.
  bool end_sent_ = false;    // close_notify written; the FIN follows once it is sent.
  bool failed_ = false;
  bool starved_ = false;  // The socket had nothing when OpenSSL last asked.
  size_t read_most_;      // At once.
  Deferred again_;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_TLS_STREAM_H_
