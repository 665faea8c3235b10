#include "ingress/tls_hello.h"

#include <openssl/tls1.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "geneve/wire.h"

namespace ingress {
namespace {

using Bytes = std::span<const uint8_t>;

// Takes `size` bytes from the front of `bytes`; nullopt: there are not as many.
std::optional<std::string_view> Take(Bytes& bytes, size_t size) {
  if (bytes.size() < size) return std::nullopt;
  const std::string_view taken(reinterpret_cast<const char*>(bytes.data()), size);
  bytes = bytes.subspan(size);
  return taken;
}

// What follows a length of two bytes, if it is all there is.
std::optional<Bytes> ReadList(Bytes extension) {
  if (extension.size() < 2) return std::nullopt;
  const size_t size = wire::LoadBe16(extension.first<2>());
  const Bytes list = extension.subspan(2);
  if (size == 0 || size != list.size()) return std::nullopt;
  return list;
}

// RFC 6066 section 3: type 0, a host name, is the only one there is.
bool ReadServerName(Bytes extension, TlsHello& hello) {
  std::optional<Bytes> list = ReadList(extension);
  if (!list || list->size() < 3 || list->front() != 0) return false;
  const size_t size = wire::LoadBe16(list->subspan<1, 2>());
  *list = list->subspan(3);
  hello.server_name = Take(*list, size);
  return hello.server_name && list->empty();
}

// RFC 7301 section 3.1.
bool ReadAlpn(Bytes extension, TlsHello& hello) {
  std::optional<Bytes> list = ReadList(extension);
  if (!list) return false;
  while (!list->empty()) {
    const size_t size = list->front();
    *list = list->subspan(1);
    const std::optional<std::string_view> protocol = Take(*list, size);
    if (!protocol || protocol->empty()) return false;
    hello.alpn.push_back(*protocol);
  }
  return true;
}

}  // namespace

std::optional<TlsHello> ReadHello(SSL* ssl) {
  if (SSL_client_hello_isv2(ssl) != 0) return std::nullopt;
  TlsHello hello;
  const uint8_t* data = nullptr;
  size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &size) == 1 &&
      !ReadServerName({data, size}, hello)) {
    return std::nullopt;
  }
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &data, &size) == 1 &&
      !ReadAlpn({data, size}, hello)) {
    return std::nullopt;
  }
  return hello;
}

}  // namespace ingress
