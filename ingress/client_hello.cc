#include "ingress/client_hello.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <memory>
#include <new>
#include <optional>
#include <span>

#include "geneve/wire.h"
#include "relay/control/host_name.h"

namespace ingress {
namespace {

using State = ClientHelloReader::State;

constexpr uint8_t kHandshakeRecord = 22;
constexpr uint8_t kMajorVersion = 3;
constexpr uint8_t kClientHelloMessage = 1;
constexpr uint8_t kHostNameType = 0;
constexpr size_t kRecordHeaderSize = 5;
constexpr size_t kHandshakeHeaderSize = 4;
constexpr size_t kMaxRecordSize = 16384;  // RFC 8446 section 5.1, plaintext.

// Browsers offer two or three; a hostile hello has room for thousands.
constexpr size_t kMaxAlpn = 16;

// What a record's header says it carries; its second length byte counts as 0 until it is there.
size_t RecordSize(std::string_view header) {
  const size_t high = static_cast<uint8_t>(header[3]);
  return high << 8 | (header.size() > 4 ? static_cast<uint8_t>(header[4]) : 0);
}

struct Free {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

std::string_view AsText(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The next `size` bytes. nullopt: so many are not there.
std::optional<std::span<const uint8_t>> Take(std::span<const uint8_t>& rest, size_t size) {
  if (rest.size() < size) return std::nullopt;
  const std::span<const uint8_t> taken = rest.first(size);
  rest = rest.subspan(size);
  return taken;
}

// The list that an extension consists of: two bytes of length, and as many bytes, not none. nullopt: something else.
std::optional<std::span<const uint8_t>> ListOf(std::span<const uint8_t> extension) {
  if (extension.size() <= 2) return std::nullopt;
  if (wire::LoadBe16(extension.first<2>()) != extension.size() - 2) return std::nullopt;
  return extension.subspan(2);
}

// RFC 6066 section 3. Like OpenSSL, one host name and nothing else: no other type was ever defined.
State ReadServerName(std::span<const uint8_t> extension, std::string& out) {
  const auto list = ListOf(extension);
  if (!list || list->size() < 3 || list->front() != kHostNameType) return State::kNotTls;
  const std::span<const uint8_t> name = list->subspan(3);
  if (wire::LoadBe16(list->subspan<1, 2>()) != name.size()) return State::kNotTls;
  std::optional<std::string> canonical = relay::CanonicalHostName(AsText(name));
  if (!canonical) return State::kBadName;
  out = *std::move(canonical);
  return State::kDone;
}

// RFC 7301 section 3.1.
State ReadAlpn(std::span<const uint8_t> extension, std::vector<std::string>& out) {
  const auto list = ListOf(extension);
  if (!list) return State::kNotTls;
  for (std::span<const uint8_t> rest = *list; !rest.empty();) {
    const uint8_t size = rest.front();
    rest = rest.subspan(1);
    const auto name = Take(rest, size);
    if (size == 0 || !name) return State::kNotTls;
    if (out.size() < kMaxAlpn) out.emplace_back(AsText(*name));
  }
  return State::kDone;
}

std::optional<std::span<const uint8_t>> ExtensionOf(SSL* ssl, unsigned type) {
  const unsigned char* data = nullptr;
  size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, type, &data, &size) != 1) return std::nullopt;
  return std::span<const uint8_t>(data, size);
}

// What the callback below found; kNotTls until it is called.
struct Found {
  State state = State::kNotTls;
  ClientHello hello;
};

// OpenSSL has split the hello into its fields and has acted on none of them. Told to come back later, it stops there:
// it needs no certificate and sends no alert.
int OnClientHello(SSL* ssl, int*, void*) {
  Found& found = *static_cast<Found*>(SSL_get_app_data(ssl));
  const auto alpn = ExtensionOf(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation);
  const auto name = ExtensionOf(ssl, TLSEXT_TYPE_server_name);
  found.state = State::kDone;
  if (alpn) found.state = ReadAlpn(*alpn, found.hello.alpn);
  if (name && found.state == State::kDone) found.state = ReadServerName(*name, found.hello.server_name);
  return SSL_CLIENT_HELLO_RETRY;
}

// One for the process, which keeps it to its end.
SSL_CTX* Context() {
  static SSL_CTX* const context = [] {
    SSL_CTX* const fresh = SSL_CTX_new(TLS_server_method());
    if (fresh == nullptr) throw std::bad_alloc();
    SSL_CTX_set_client_hello_cb(fresh, OnClientHello, nullptr);
    return fresh;
  }();
  return context;
}

// The handshake message that whole records carry, in records as long as can be: OpenSSL takes a tenth of a microsecond
// for each record, and a hello may come in thousands. The headers have been checked.
std::string InLongRecords(std::string_view records) {
  std::string message;
  message.reserve(records.size());
  while (!records.empty()) {
    const size_t size = RecordSize(records);
    message.append(records.data() + kRecordHeaderSize, size);
    records.remove_prefix(kRecordHeaderSize + size);
  }
  std::string out;
  out.reserve(message.size() + kRecordHeaderSize * (1 + message.size() / kMaxRecordSize));
  for (std::string_view rest = message; !rest.empty();) {
    const std::string_view piece = rest.substr(0, kMaxRecordSize);
    rest.remove_prefix(piece.size());
    out += {kHandshakeRecord, kMajorVersion, 1, static_cast<char>(piece.size() >> 8), static_cast<char>(piece.size())};
    out += piece;
  }
  return out;
}

// A fresh SSL, and not one fed as bytes come: a half-fed one holds 75 KB, and each further byte costs it a microsecond.
// What OpenSSL refuses before it calls back remains kNotTls. No SSLv2 hello comes here: the first byte tells.
Found ParseByOpenSsl(const std::string& records) {
  const std::unique_ptr<SSL, Free> ssl(SSL_new(Context()));
  BIO* const bio = BIO_new_mem_buf(records.data(), static_cast<int>(records.size()));
  if (ssl == nullptr || bio == nullptr) {
    BIO_free(bio);
    throw std::bad_alloc();
  }
  BIO_set_mem_eof_return(bio, -1);
  SSL_set_bio(ssl.get(), bio, bio);
  Found found;
  SSL_set_app_data(ssl.get(), &found);
  SSL_accept(ssl.get());
  ERR_clear_error();  // The queue is the thread's, and the next one to look at it would find ours.
  return found;
}

}  // namespace

void ClientHelloReader::CheckSize() {
  const size_t header_left = kHandshakeHeaderSize - handshake_header_seen_;
  if (at_ + header_left + hello_left_ > cap_) state_ = State::kTooBig;
}

// As much of it as is there. Nothing may follow the hello in its last record: the client waits for the answer, and its
// keys change. The minor version is 1 to 3, and RFC 8446 says to ignore it.
void ClientHelloReader::ReadRecordHeader(std::string_view rest) {
  const size_t max_size = handshake_header_seen_ < kHandshakeHeaderSize ? kMaxRecordSize : hello_left_;
  const size_t seen = std::min(rest.size(), kRecordHeaderSize);
  const size_t size = seen > 3 ? RecordSize(rest) : 0;
  if (static_cast<uint8_t>(rest[0]) != kHandshakeRecord ||
      (seen > 1 && static_cast<uint8_t>(rest[1]) != kMajorVersion) || size > std::min(max_size, kMaxRecordSize) ||
      (seen == kRecordHeaderSize && size == 0)) {
    state_ = State::kNotTls;
  } else if (seen == kRecordHeaderSize) {
    at_ += kRecordHeaderSize;
    record_left_ = size;
    CheckSize();
  }
}

void ClientHelloReader::ReadHandshakeHeaderByte(uint8_t byte) {
  ++at_;
  --record_left_;
  if (handshake_header_seen_++ == 0) {
    if (byte != kClientHelloMessage) state_ = State::kNotTls;
    return;
  }
  hello_left_ |= size_t{byte} << (8 * (kHandshakeHeaderSize - handshake_header_seen_));
  CheckSize();
  if (state_ != State::kReading || handshake_header_seen_ < kHandshakeHeaderSize) return;
  if (record_left_ > hello_left_) state_ = State::kNotTls;
}

void ClientHelloReader::Parse(std::string_view records) {
  Found found = ParseByOpenSsl(InLongRecords(records));
  state_ = found.state;
  if (state_ == State::kDone) hello_ = std::move(found.hello);
}

// The state depends on the bytes alone, and not on how they came: headers are judged byte by byte, bodies when whole.
ClientHelloReader::State ClientHelloReader::Walk(std::string_view bytes) {
  while (state_ == State::kReading && at_ < bytes.size()) {
    if (record_left_ == 0) {
      ReadRecordHeader(bytes.substr(at_));
      if (record_left_ == 0) break;
    } else if (handshake_header_seen_ < kHandshakeHeaderSize) {
      ReadHandshakeHeaderByte(static_cast<uint8_t>(bytes[at_]));
    } else if (bytes.size() - at_ < record_left_) {
      break;
    } else {
      at_ += record_left_;
      hello_left_ -= record_left_;
      record_left_ = 0;
    }
    const bool hello_is_whole = handshake_header_seen_ == kHandshakeHeaderSize && hello_left_ == 0;
    if (state_ == State::kReading && hello_is_whole) Parse(bytes.substr(0, at_));
  }
  const bool in_body = handshake_header_seen_ == kHandshakeHeaderSize && record_left_ != 0;
  wanted_ = in_body ? at_ + record_left_ : bytes.size() + 1;
  if (state_ != State::kReading) wanted_ = SIZE_MAX;
  return state_;
}

}  // namespace ingress
