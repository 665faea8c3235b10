#include "relay/client/api_client.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "relay/client/allocation.h"
#include "relay/control/fd.h"

namespace relay::client {
namespace {

// Answers one connection with what it is told to, whatever is asked.
class OneAnswer {
 public:
  explicit OneAnswer(std::string answer) : listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_.get(), 1), 0);
    getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, answer = std::move(answer)] { Serve(answer); });
  }
  ~OneAnswer() {
    shutdown(listener_.get(), SHUT_RDWR);  // Perhaps nobody came.
    Request();
  }

  std::string url() const { return absl::StrCat("http://127.0.0.1:", port_); }
  // What came, once a client has come and gone.
  const std::string& Request() {
    if (thread_.joinable()) thread_.join();
    return request_;
  }

 private:
  void Serve(const std::string& answer) {
    const Fd connection(accept(listener_.get(), nullptr, nullptr));
    shutdown(listener_.get(), SHUT_RDWR);  // From now on connections are refused.
    char buffer[4096];
    bool answered = false;
    while (true) {
      const ssize_t size = recv(connection.get(), buffer, sizeof(buffer), 0);
      if (size <= 0) return;
      request_.append(buffer, static_cast<size_t>(size));
      if (!answered && !answer.empty()) send(connection.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
      answered = true;
    }
  }

  Fd listener_;
  uint16_t port_ = 0;
  std::string request_;
  std::thread thread_;
};

std::string Answer(std::string_view status, std::string_view body, std::string_view headers = "") {
  return absl::StrCat("HTTP/1.1 ", std::string(status), "\r\n", std::string(headers), "Content-Length: ", body.size(),
                      "\r\n\r\n", std::string(body));
}

ApiClient Client(const std::string& url, std::string token = "") {
  return *ApiClient::Create(
      {.url = url, .token = std::move(token), .ca_file = "", .timeout = std::chrono::milliseconds(300)});
}

const std::array<disco::PublicKey, 2> kKeys = [] {
  disco::InitCrypto();
  return std::array{disco::PrivateKey::Generate().public_key(), disco::PrivateKey::Generate().public_key()};
}();

TEST(UrlTest, TakesHostsAndPorts) {
  struct Row {
    const char* text;
    bool tls;
    const char *host, *port;
  };
  for (const Row& row :
       {Row{"http://relay.example", false, "relay.example", "80"},
        Row{"https://relay.example/", true, "relay.example", "443"},
        Row{"http://127.0.0.1:9640", false, "127.0.0.1", "9640"},
        Row{"https://[2001:db8::1]", true, "2001:db8::1", "443"}, Row{"http://[::1]:9640/", false, "::1", "9640"}}) {
    const absl::StatusOr<Url> url = Url::Parse(row.text);
    ASSERT_TRUE(url.ok()) << url.status();
    EXPECT_EQ(url->tls, row.tls) << row.text;
    EXPECT_EQ(url->host, row.host) << row.text;
    EXPECT_EQ(url->port, row.port) << row.text;
  }
}

TEST(UrlTest, RefusesAllElse) {
  for (const char* text : {"", "127.0.0.1:9640", "ftp://host", "http://", "http://:80", "http://host:0",
                           "http://host:x", "http://host:65536", "http://host/path", "http://user@host", "http://[::1",
                           "http://::1]", "http://host:80\r\nX: y"}) {
    EXPECT_FALSE(Url::Parse(text).ok()) << text;
  }
}

TEST(ApiClientTest, ADeleteHasNoBodyAndNoneComesBack) {
  OneAnswer server("HTTP/1.1 204 No Content\r\n\r\n");
  const auto response = Client(server.url()).Delete("/v0/x?name=a");
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->status, 204u);
  EXPECT_EQ(server.Request(), absl::StrCat("DELETE /v0/x?name=a HTTP/1.1\r\nHost: ", server.url().substr(7),
                                           "\r\nConnection: close\r\n\r\n"));
}

TEST(ApiClientTest, AsksAsTheApiWantsIt) {
  OneAnswer server(Answer("200 OK", "fine"));
  const auto response = Client(server.url(), "secret").Post("/v0/x", "{}");
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->status, 200u);
  EXPECT_EQ(response->body, "fine");
  const std::string& request = server.Request();
  EXPECT_TRUE(request.starts_with("POST /v0/x HTTP/1.1\r\n")) << request;
  EXPECT_NE(request.find("Host: 127.0.0.1:"), std::string::npos) << request;
  EXPECT_NE(request.find("Authorization: Bearer secret\r\n"), std::string::npos) << request;
  EXPECT_TRUE(request.ends_with("\r\n\r\n{}")) << request;
}

TEST(ApiClientTest, TellsARefusalFromAbsence) {
  OneAnswer full(Answer("503 Service Unavailable", "full\n", "Retry-After: 3\r\n"));
  std::chrono::seconds retry_after{0};
  const auto refused = Client(full.url()).Allocate(kKeys, &retry_after);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition) << refused.status();
  EXPECT_EQ(refused.status().message(), "503: full");
  EXPECT_EQ(retry_after, std::chrono::seconds(3));

  full.Request();  // Nobody listens there any more.
  EXPECT_EQ(Client(full.url()).Allocate(kKeys).status().code(), absl::StatusCode::kUnavailable);
}

TEST(ApiClientTest, DoesNotWaitForever) {
  OneAnswer silent("");
  EXPECT_EQ(Client(silent.url()).Get("/").status().code(), absl::StatusCode::kUnavailable);
}

TEST(ApiClientTest, SeesThroughAnswersThatMakeNoSense) {
  OneAnswer not_http("220 smtp.example ESMTP\r\n");
  EXPECT_EQ(Client(not_http.url()).Get("/").status().code(), absl::StatusCode::kUnavailable);
  OneAnswer truncated("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{");
  EXPECT_EQ(Client(truncated.url()).Get("/").status().code(), absl::StatusCode::kUnavailable);
  OneAnswer not_json(Answer("200 OK", "<html>"));
  EXPECT_EQ(Client(not_json.url()).Allocate(kKeys).status().code(), absl::StatusCode::kInternal);
}

TEST(ApiClientTest, PlainTextIsNoTls) {
  OneAnswer plain(Answer("200 OK", ""));
  std::string url = plain.url();
  url.insert(4, "s");
  EXPECT_EQ(Client(url).Get("/").status().code(), absl::StatusCode::kUnavailable);
}

TEST(ApiClientTest, RefusesATokenThatWouldBreakTheHeader) {
  EXPECT_FALSE(ApiClient::Create({.url = "http://h", .token = "a\r\nX: y", .ca_file = ""}).ok());
}

TEST(AllocationTest, AnswersOnItsDescriptor) {
  OneAnswer draining(Answer("503 Service Unavailable", "draining\n", "Retry-After: 3\r\n"));
  absl::StatusOr<Allocation> allocation = Allocation::Create(Client(draining.url()), kKeys);
  ASSERT_TRUE(allocation.ok()) << allocation.status();
  EXPECT_FALSE(allocation->Take());
  allocation->Start();
  EXPECT_TRUE(allocation->open());
  pollfd ready{.fd = allocation->fd(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(poll(&ready, 1, 5000), 1);
  const std::optional<Allocation::Answer> answer = allocation->Take();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->endpoint.status().message(), "503: draining");
  EXPECT_EQ(answer->retry_after, std::chrono::seconds(3));
  EXPECT_FALSE(allocation->open());
  EXPECT_EQ(poll(&ready, 1, 0), 0);
}

TEST(AllocationTest, MayEndBeforeItsAnswer) {
  OneAnswer silent("");
  absl::StatusOr<Allocation> allocation = Allocation::Create(Client(silent.url()), kKeys);
  ASSERT_TRUE(allocation.ok()) << allocation.status();
  allocation->Start();
  allocation = absl::CancelledError("");
  EXPECT_NE(silent.Request(), "");  // The question was asked, and its thread has hung up since.
}

TEST(DescribeRefusalTest, IsOneLineThatATerminalMayShow) {
  EXPECT_EQ(DescribeRefusal({.status = 403, .body = "no\033[2J\nsecond line", .retry_after = {}}), "403: no?[2J");
  EXPECT_EQ(DescribeRefusal({.status = 500, .body = "", .retry_after = {}}), "500");
  EXPECT_LT(DescribeRefusal({.status = 500, .body = std::string(5000, 'x'), .retry_after = {}}).size(), 300u);
}

}  // namespace
}  // namespace relay::client
