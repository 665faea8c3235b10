#include "ingress/node/backend_dial.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <memory>
#include <optional>
#include <string>

#include "ingress/loop_fixture.h"
#include "ingress/node/backend_fixture.h"
#include "ingress/tls_stream.h"
#include "relay/control/test_certificate.h"

namespace ingress {
namespace {

struct BackendDialTest : testing::Test {
  BackendDialTest() {
    relay::WriteTestCertificate(cert, key, "DNS:backend.example,IP:127.0.0.1");
    context.reset(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
    EXPECT_EQ(SSL_CTX_use_certificate_chain_file(context.get(), cert.c_str()), 1);
    EXPECT_EQ(SSL_CTX_use_PrivateKey_file(context.get(), key.c_str(), SSL_FILETYPE_PEM), 1);
    thread.Call([&] {
      closer = std::make_shared<LingeringCloser>(thread.loop);
      server.emplace(thread.loop);
      server->wrap = [&](relay::Fd fd) -> std::unique_ptr<Stream> {
        TlsStream::Ssl ssl(SSL_new(context.get()));
        SSL_set_accept_state(ssl.get());
        return TlsStream::Make(thread.loop, std::move(fd), {}, std::move(ssl), closer);
      };
    });
  }
  ~BackendDialTest() override {
    thread.Call([&] {
      server.reset();
      closer.reset();
    });
  }

  // What comes of a request to the backend: `answer`, or `error`.
  std::string Ask(Backend backend, const std::string& ca_file) {
    std::optional<FakePeer> ours;
    thread.Call([&] {
      server->peers.clear();
      backend.addr = server->addr();
      ours.emplace(MakeBackendDial(closer, ca_file)(thread.loop, backend));
      ours->Send("question");
    });
    EXPECT_TRUE(thread.Await([&] {
      if (ours->ended || ours->received == "answer") return true;
      if (ours->to_send.empty() && !server->peers.empty() && server->peers.back().received == "question") {
        server->peers.back().received.clear();
        server->peers.back().Send("answer");
      }
      return ours->stream->Write({}).status == IoStatus::kError;
    }));
    std::string result;
    thread.Call([&] {
      result = ours->received == "answer" ? "answer" : "error";
      ours.reset();
    });
    return result;
  }

  const std::string cert = testing::TempDir() + "/backend_dial.crt", key = testing::TempDir() + "/backend_dial.key";
  std::shared_ptr<SSL_CTX> context;
  LoopThread thread;
  std::shared_ptr<LingeringCloser> closer;
  std::optional<FakeServer> server;
};

Backend Tls(std::string host, bool verify = true) {
  Backend backend;
  backend.tls = true;
  backend.verify = verify;
  backend.host = std::move(host);
  return backend;
}

TEST_F(BackendDialTest, ABackendProvesItsName) {
  EXPECT_EQ(Ask(Tls("backend.example"), cert), "answer");
  EXPECT_EQ(Ask(Tls("backend.example:8443"), cert), "answer");
  EXPECT_EQ(Ask(Tls("127.0.0.1:8443"), cert), "answer");
  EXPECT_EQ(Ask(Tls("other.example"), cert), "error");
  EXPECT_EQ(Ask(Tls("127.0.0.2"), cert), "error");
  EXPECT_EQ(Ask(Tls("[::1]:8443"), cert), "error");
}

TEST_F(BackendDialTest, NobodyVouchesForIt) {
  EXPECT_EQ(Ask(Tls("backend.example"), ""), "error");
  EXPECT_EQ(Ask(Tls("backend.example"), "/nowhere"), "error");
  EXPECT_EQ(Ask(Tls("other.example", /*verify=*/false), ""), "answer");
}

TEST_F(BackendDialTest, PlainTcp) {
  thread.Call([&] {
    server->wrap = [&](relay::Fd fd) -> std::unique_ptr<Stream> { return TcpStream::Make(thread.loop, std::move(fd)); };
  });
  Backend plain;
  EXPECT_EQ(Ask(plain, ""), "answer");
}

}  // namespace
}  // namespace ingress
