// A client of relayd's HTTP API and of its metrics: what relayctl and relay-client share.
#ifndef RELAYD_RELAY_CLIENT_API_CLIENT_H_
#define RELAYD_RELAY_CLIENT_API_CLIENT_H_

#include <array>
#include <chrono>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "disco/key.h"
#include "disco/messages.h"

namespace relay::client {

// `http://host:port` or `https://host:port`, without a path. IPv6 addresses stand in brackets.
struct Url {
  bool tls = false;
  std::string host;       // Without brackets.
  std::string port;       // 80 or 443 if the text has none.
  std::string authority;  // As it was written: the Host header.

  static absl::StatusOr<Url> Parse(std::string_view text);
};

struct HttpResponse {
  unsigned status = 0;
  std::string body;
  std::chrono::seconds retry_after{0};  // 0: the server gave none.
};

// "503: draining": the status and the first line of the body, made safe to print.
std::string DescribeRefusal(const HttpResponse& response);

// Each call opens a connection, waits and closes it. Errors have the code kUnavailable where there was no answer (name,
// connection, TLS, time); kFailedPrecondition where the server refused; kInternal where its answer makes no sense.
class ApiClient {
 public:
  struct Options {
    std::string url;
    std::string token;                                            // Sent as a bearer token, unless empty.
    std::string ca_file;                                          // PEM; empty: the system's authorities.
    std::chrono::milliseconds timeout = std::chrono::seconds(5);  // For connecting, and again for the exchange.
  };

  // Only looks at the options.
  static absl::StatusOr<ApiClient> Create(Options options);

  absl::StatusOr<HttpResponse> Get(std::string_view target) const { return Exchange("GET", target, nullptr); }
  absl::StatusOr<HttpResponse> Post(std::string_view target, const std::string& json) const {
    return Exchange("POST", target, &json);
  }
  absl::StatusOr<HttpResponse> Delete(std::string_view target) const { return Exchange("DELETE", target, nullptr); }

  // POST /v0/relay/endpoint. `retry_after` is set where the server asks for patience.
  absl::StatusOr<disco::RelayEndpoint> Allocate(const std::array<disco::PublicKey, 2>& keys,
                                                std::chrono::seconds* retry_after = nullptr) const;

  const std::string& url() const { return options_.url; }

 private:
  ApiClient(Options options, Url url) : options_(std::move(options)), url_(std::move(url)) {}
  absl::StatusOr<HttpResponse> Exchange(const char* method, std::string_view target, const std::string* body) const;

  Options options_;
  Url url_;
};

}  // namespace relay::client

#endif  // RELAYD_RELAY_CLIENT_API_CLIENT_H_
