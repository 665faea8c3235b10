#include "ingress/node/backend_dial.h"

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <string_view>
#include <utility>

#include "disco/addr_port.h"
#include "ingress/tcp_socket.h"
#include "ingress/tcp_stream.h"
#include "ingress/tls_stream.h"
#include "relay/control/text.h"

namespace ingress {
namespace {

std::shared_ptr<SSL_CTX> MakeContext(const std::string& ca_file) {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  if (context == nullptr) return nullptr;
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  // Without any, each certificate is refused: nothing more to say here.
  if (ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context.get());
  } else {
    SSL_CTX_load_verify_locations(context.get(), ca_file.c_str(), nullptr);
  }
  // One protocol: servers that offer h2 would choose it.
  static constexpr std::string_view kAlpn = "\x08http/1.1";
  SSL_CTX_set_alpn_protos(context.get(), reinterpret_cast<const unsigned char*>(kAlpn.data()), kAlpn.size());
  return context;
}

// Without a port and an IPv6 address's brackets.
std::string HostOf(std::string_view host) {
  if (host.starts_with('[')) return std::string(host.substr(1, host.find(']') - 1));
  return std::string(host.substr(0, host.find(':')));
}

bool IsIp(const std::string& host) {
  const bool ipv6 = host.find(':') != host.npos;
  return disco::AddrPort::Parse(relay::text::Cat(ipv6 ? "[" : "", host, ipv6 ? "]" : "", ":1")).has_value();
}

// False: the backend could not prove itself.
bool SetIdentity(SSL* ssl, const Backend& backend) {
  const std::string host = HostOf(backend.host);
  const bool ip = IsIp(host);
  if (!ip && SSL_set_tlsext_host_name(ssl, host.c_str()) != 1) return false;
  SSL_set_verify(ssl, backend.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (!backend.verify) return true;
  if (ip) return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) == 1;
  return !host.empty() && SSL_set1_host(ssl, host.c_str()) == 1;
}

}  // namespace

BackendPool::Dial MakeBackendDial(std::shared_ptr<LingeringCloser> closer, const std::string& ca_file) {
  return [closer = std::move(closer), context = MakeContext(ca_file)](
             EventLoop& loop, const Backend& backend) -> std::unique_ptr<Stream> {
    if (!backend.tls) return TcpStream::Connect(loop, backend.addr);
    TlsStream::Ssl ssl(context != nullptr ? SSL_new(context.get()) : nullptr);
    if (ssl == nullptr || !SetIdentity(ssl.get(), backend)) return nullptr;
    SSL_set_connect_state(ssl.get());
    relay::Fd fd = ConnectTcp(backend.addr);
    if (fd.get() < 0) return nullptr;
    return TlsStream::Make(loop, std::move(fd), {}, std::move(ssl), closer);
  };
}

}  // namespace ingress
