// For tests: a blocking TLS client, and contexts of a throw-away certificate.
#ifndef RELAYD_INGRESS_TLS_FIXTURE_H_
#define RELAYD_INGRESS_TLS_FIXTURE_H_

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "ingress/loop_fixture.h"
#include "relay/control/test_certificate.h"

namespace ingress {

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using Context = std::unique_ptr<SSL_CTX, FreeContext>;

// Of this process alone, as tests run side by side; gone with it.
inline const std::string& TestFolder() {
  static const struct Folder {
    Folder() : path(testing::TempDir() + "ingress-" + std::to_string(getpid())) {
      std::filesystem::create_directories(path);
    }
    ~Folder() { std::filesystem::remove_all(path); }
    const std::string path;
  } kFolder;
  return kFolder.path;
}

inline Context MakeServerContext(const std::string& name) {
  const std::string cert = TestFolder() + "/" + name + ".crt", key = TestFolder() + "/" + name + ".key";
  relay::WriteTestCertificate(cert, key, "DNS:" + name);
  Context context(SSL_CTX_new(TLS_server_method()));
  EXPECT_EQ(SSL_CTX_use_certificate_chain_file(context.get(), cert.c_str()), 1);
  EXPECT_EQ(SSL_CTX_use_PrivateKey_file(context.get(), key.c_str(), SSL_FILETYPE_PEM), 1);
  return context;
}

class TlsClient {
 public:
  struct Options {
    std::string name;       // Empty: none is sent.
    std::string alpn = {};  // In wire form: "\x02h2".
    int version = 0;        // TLS1_2_VERSION, say; 0: any.
  };

  TlsClient(Peer peer, const Options& options) : peer_(std::move(peer)), context_(SSL_CTX_new(TLS_client_method())) {
    ssl_ = SSL_new(context_.get());
    if (options.version != 0) {
      SSL_set_min_proto_version(ssl_, options.version);
      SSL_set_max_proto_version(ssl_, options.version);
    }
    if (!options.name.empty()) SSL_set_tlsext_host_name(ssl_, options.name.c_str());
    if (!options.alpn.empty()) {
      SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(options.alpn.data()),
                          static_cast<unsigned>(options.alpn.size()));
    }
    SSL_set_fd(ssl_, peer_.fd());
  }
  TlsClient(TlsClient&& other) noexcept
      : peer_(std::move(other.peer_)), context_(std::move(other.context_)), ssl_(std::exchange(other.ssl_, nullptr)) {}
  ~TlsClient() { SSL_free(ssl_); }

  bool Handshake() {
    ERR_clear_error();
    if (SSL_connect(ssl_) == 1) return true;
    error_ = ERR_peek_error();
    return false;
  }
  // After a failed handshake: the alert that came, or -1.
  int alert() const {
    const int reason = ERR_GET_REASON(error_);
    return ERR_GET_LIB(error_) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET ? reason - SSL_AD_REASON_OFFSET : -1;
  }
  bool Send(std::string_view bytes) {
    ERR_clear_error();
    return SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())) == static_cast<int>(bytes.size());
  }
  // "" is close_notify; "broken" anything else that ends it.
  std::string Receive(size_t most = 65'536) {
    std::string bytes(most, '\0');
    ERR_clear_error();
    const int size = SSL_read(ssl_, bytes.data(), static_cast<int>(most));
    if (size <= 0) return SSL_get_error(ssl_, size) == SSL_ERROR_ZERO_RETURN ? "" : "broken";
    bytes.resize(static_cast<size_t>(size));
    return bytes;
  }
  std::string ReceiveExactly(size_t size) {
    std::string all;
    while (all.size() < size) {
      const std::string some = Receive(size - all.size());
      if (some.empty() || some == "broken") break;
      all += some;
    }
    return all;
  }
  std::string ReceiveAll() {
    std::string all;
    for (std::string some = Receive(); !some.empty(); some = Receive()) {
      all += some;
      if (some == "broken") break;
    }
    return all;
  }
  void EndWrite() {
    SSL_shutdown(ssl_);
    peer_.EndWrite();
  }
  std::string Alpn() const {
    const unsigned char* data = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_, &data, &size);
    return {reinterpret_cast<const char*>(data), size};
  }
  Peer& peer() { return peer_; }
  SSL* ssl() { return ssl_; }

 private:
  Peer peer_;
  Context context_;
  SSL* ssl_ = nullptr;
  unsigned long error_ = 0;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_TLS_FIXTURE_H_
