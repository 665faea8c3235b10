#include "ingress/node/admin_server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "relay/control/host_names.h"
#include "relay/control/http_message.h"
#include "relay/control/http_server.h"
#include "relay/control/text.h"

namespace ingress {
namespace {

using relay::HttpResponse;

constexpr std::string_view kPrometheus = "text/plain; version=0.0.4; charset=utf-8";

class Server : public AdminServer, private relay::HttpHandler {
 public:
  explicit Server(const NodeFigures& figures) : figures_(figures) {}
  ~Server() override {
    if (!thread_.joinable()) return;
    boost::asio::post(io_, [this] {
      server_.Stop();
      io_.stop();
    });
    thread_.join();
  }

  absl::Status Listen(const AddrPort& listen) { return server_.Listen(listen); }
  void Run() {
    server_.Start();
    thread_ = std::thread([this] { io_.run(); });
  }
  AddrPort local() const override { return server_.local(); }

 private:
  void Handle(const relay::HttpRequest& request, std::shared_ptr<relay::Exchange> exchange) override {
    exchange->Respond(Answer(request));
  }

  HttpResponse Answer(const relay::HttpRequest& request) const {
    const std::string_view path = request.target.substr(0, request.target.find('?'));
    if (path != "/healthz" && path != "/readyz" && IsForeign(request)) {
      return HttpResponse::Error(403, "foreign Host, or a browser's request");
    }
    if (path != "/healthz" && path != "/readyz" && path != "/metrics" && path != "/v0/status") {
      return HttpResponse::Error(404, "unsupported path");
    }
    if (request.method != "GET" && request.method != "HEAD") {
      HttpResponse response = HttpResponse::Error(405, "only GET allowed");
      response.allow = "GET, HEAD";
      return response;
    }
    if (path == "/healthz") return {.body = "ok\n"};
    if (path == "/readyz") return figures_.ready ? HttpResponse{.body = "ready\n"} : NotReady();
    if (path == "/metrics") return {.content_type = kPrometheus, .body = figures_.MetricsText()};
    return HttpResponse::Json(figures_.StatusJson());
  }

  static HttpResponse NotReady() {
    HttpResponse response = HttpResponse::Error(503, "draining");
    response.retry_after = true;
    return response;
  }

  // What a page in somebody's browser could make it ask.
  bool IsForeign(const relay::HttpRequest& request) const {
    return request.Find("Origin") != nullptr || request.Find("Referer") != nullptr || request.Count("Host") != 1 ||
           !host_names_.IsOurs(*request.Find("Host"), request.local);
  }

  const NodeFigures& figures_;
  const relay::HostNames host_names_{{}};
  relay::TaskHistogram tasks_;
  boost::asio::io_context io_{1};
  relay::HttpServer server_{io_, io_, *this, &tasks_};
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<AdminServer>> AdminServer::Start(const AddrPort& listen, const NodeFigures& figures) {
  auto server = std::make_unique<Server>(figures);
  if (absl::Status status = server->Listen(listen); !status.ok()) {
    return absl::Status(status.code(), relay::text::Cat("metrics: ", std::string(status.message())));
  }
  server->Run();
  return server;
}

}  // namespace ingress
