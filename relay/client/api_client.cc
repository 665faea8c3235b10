#include "relay/client/api_client.h"

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "disco/server_endpoint.h"
#include "relay/client/connection.h"

namespace relay::client {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr uint64_t kMaxBody = 64u << 20;  // A page of 10,000 sessions has about 3 MB.
constexpr size_t kMaxErrorText = 200;

std::string MakeRequest(const Url& url, const ApiClient::Options& options, const char* method, std::string_view target,
                        const std::string* body) {
  std::string request =
      absl::StrCat(method, " ", std::string(target), " HTTP/1.1\r\nHost: ", url.authority, "\r\nConnection: close\r\n");
  if (!options.token.empty()) absl::StrAppend(&request, "Authorization: Bearer ", options.token, "\r\n");
  if (body != nullptr) {
    absl::StrAppend(&request, "Content-Type: application/json\r\nContent-Length: ", body->size(), "\r\n");
  }
  absl::StrAppend(&request, "\r\n", body != nullptr ? *body : "");
  return request;
}

absl::Status Unavailable(const char* what, const Url& url, const error_code& ec) {
  return absl::UnavailableError(absl::StrCat(what, " ", url.authority, ": ", Describe(ec)));
}

// Takes `prefix` off the front of `text`, if it is there.
bool Consume(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

}  // namespace

absl::StatusOr<Url> Url::Parse(std::string_view text) {
  const auto bad = [&](const char* why) {
    return absl::InvalidArgumentError(absl::StrCat("bad URL \"", std::string(text), "\": ", why));
  };
  Url url;
  std::string_view rest = text;
  url.tls = Consume(rest, "https://");
  if (!url.tls && !Consume(rest, "http://")) return bad("it must begin with http:// or https://");
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.find_first_of("/?#@ \t\r\n") != std::string_view::npos) return bad("only a host and a port may follow");
  url.authority = std::string(rest);
  std::string_view host = rest;
  std::string_view port = url.tls ? "443" : "80";
  const size_t bracket = rest.rfind(']');
  const size_t colon = rest.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    host = rest.substr(0, colon);
    port = rest.substr(colon + 1);
  }
  const bool bracketed = Consume(host, "[");
  if (bracketed != host.ends_with(']')) return bad("unbalanced brackets");
  if (bracketed) host.remove_suffix(1);
  uint32_t number = 0;
  if (!absl::SimpleAtoi(std::string(port), &number) || number == 0 || number > 65535) return bad("not a port");
  if (host.empty()) return bad("there is no host");
  url.host = std::string(host);
  url.port = std::string(port);
  return url;
}

std::string DescribeRefusal(const HttpResponse& response) {
  std::string line = response.body.substr(0, std::min(response.body.find('\n'), kMaxErrorText));
  absl::StripAsciiWhitespace(&line);
  std::string text = absl::StrCat(response.status);
  if (!line.empty()) absl::StrAppend(&text, ": ");
  for (const char c : line) text += absl::ascii_isprint(static_cast<unsigned char>(c)) ? c : '?';
  return text;
}

absl::StatusOr<ApiClient> ApiClient::Create(Options options) {
  absl::StatusOr<Url> url = Url::Parse(options.url);
  if (!url.ok()) return url.status();
  if (options.token.find_first_of("\r\n") != std::string::npos) {
    return absl::InvalidArgumentError("the token holds a line break");
  }
  return ApiClient(std::move(options), *std::move(url));
}

absl::StatusOr<HttpResponse> ApiClient::Exchange(const char* method, std::string_view target,
                                                 const std::string* body) const {
  asio::io_context io;
  error_code ec;
  const auto found = tcp::resolver(io).resolve(url_.host, url_.port, ec);
  if (ec) return Unavailable("cannot resolve", url_, ec);

  asio::ssl::context tls(asio::ssl::context::tls_client);
  if (url_.tls) {
    options_.ca_file.empty() ? tls.set_default_verify_paths(ec) : tls.load_verify_file(options_.ca_file, ec);
    if (ec) return absl::InvalidArgumentError(absl::StrCat("cannot read ", options_.ca_file, ": ", ec.message()));
    tls.set_verify_mode(asio::ssl::verify_peer);
    tls.set_verify_callback(asio::ssl::host_name_verification(url_.host));
  }
  Connection connection(tls);
  connection.ExpireAfter(options_.timeout);
  ec = connection.Connect({found.begin(), found.end()});
  if (ec) return Unavailable("cannot connect to", url_, ec);

  connection.ExpireAfter(options_.timeout);
  if (url_.tls) {
    error_code numeric;
    asio::ip::make_address(url_.host, numeric);
    ec = connection.StartTls(numeric ? url_.host : "");  // A name: RFC 6066 section 3.
    if (ec) return Unavailable("no TLS with", url_, ec);
  }
  HttpResponse response;
  ec = connection.Exchange(MakeRequest(url_, options_, method, target, body), kMaxBody, response);
  if (ec) return Unavailable("no answer from", url_, ec);
  return response;
}

absl::StatusOr<disco::RelayEndpoint> ApiClient::Allocate(const std::array<disco::PublicKey, 2>& keys,
                                                         std::chrono::seconds* retry_after) const {
  absl::StatusOr<HttpResponse> response = Post("/v0/relay/endpoint", disco::AllocateRequestToJson(keys));
  if (!response.ok()) return response.status();
  if (retry_after != nullptr) *retry_after = response->retry_after;
  if (response->status != 200) return absl::FailedPreconditionError(DescribeRefusal(*response));
  absl::StatusOr<disco::RelayEndpoint> endpoint = disco::ParseServerEndpoint(response->body);
  if (!endpoint.ok()) {
    return absl::InternalError(absl::StrCat("the answer is no ServerEndpoint: ", endpoint.status().message()));
  }
  return endpoint;
}

}  // namespace relay::client
