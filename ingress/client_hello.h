// What a TLS client says before anybody answers: the server's name and the protocols it would speak behind TLS.
#ifndef RELAYD_INGRESS_CLIENT_HELLO_H_
#define RELAYD_INGRESS_CLIENT_HELLO_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ingress {

struct ClientHello {
  std::string server_name;        // As relay::CanonicalHostName writes it. Empty: the hello has none.
  std::vector<std::string> alpn;  // In the client's order, the first 16 (kMaxAlpn).

  friend bool operator==(const ClientHello&, const ClientHello&) = default;
};

// One connection's first bytes. Keeps no bytes itself: the caller owns the buffer. Walks the record headers (RFC 8446
// section 5.1) and the handshake header (section 4), each byte once; when the whole ClientHello is there, OpenSSL
// parses it, once: 3 to 5 us whatever the split (bench/client_hello_bench).
class ClientHelloReader {
 public:
  enum class State : uint8_t {
    kReading,
    kDone,
    kNotTls,   // Known at the first byte that no ClientHello has there; or OpenSSL does not accept the whole.
    kTooBig,   // It ends beyond the cap: known as soon as its length is.
    kBadName,  // It has a server name, but not one that CanonicalHostName takes.
  };

  // `cap`: bytes from the first one to the hello's end, record headers included, so that a buffer of that size does.
  explicit ClientHelloReader(size_t cap = 16384) : cap_(cap) {}

  // `bytes`: all bytes so far, which only ever grow. What stands behind the hello's last record is not looked at. Any
  // thread, one at a time.
  State Read(std::string_view bytes) { return bytes.size() < wanted_ ? state_ : Walk(bytes); }
  const ClientHello& hello() const { return hello_; }  // Of kDone.

 private:
  State Walk(std::string_view bytes);
  void ReadRecordHeader(std::string_view rest);
  void ReadHandshakeHeaderByte(uint8_t byte);
  void CheckSize();
  void Parse(std::string_view records);

  size_t cap_;
  size_t wanted_ = 1;                  // With fewer bytes there is nothing to do.
  size_t at_ = 0;                      // Bytes walked.
  size_t record_left_ = 0;             // Bytes of the current record from there on; 0: a record header is there.
  size_t hello_left_ = 0;              // Bytes of the hello from there on, as far as its length is known.
  uint8_t handshake_header_seen_ = 0;  // Of 4 bytes.
  State state_ = State::kReading;
  ClientHello hello_;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_CLIENT_HELLO_H_
