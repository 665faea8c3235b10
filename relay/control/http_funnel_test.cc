// /v0/funnel/routes, and who reaches /v0/ingress.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <string>

#include "disco/key.h"
#include "relay/control/funnel_fixture.h"
#include "relay/control/http_test_server.h"
#include "relay/control/text.h"

namespace relay {
namespace {

using testing::HasSubstr;

constexpr std::string_view kPath = "/v0/funnel/routes";
constexpr std::string_view kSmall = R"({"name":"Node.Example.","peerapi":["198.19.0.7:9640"]})";

class HttpFunnelTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { disco::InitCrypto(); }

  std::string Put(std::string_view body) { return server_.Request("PUT", kPath, "", body); }
  std::string Delete(std::string_view query) { return server_.Request("DELETE", text::Cat(kPath, query)); }
  void GiveToFile(std::string_view name) {
    server_.OnControl([&] {
      FunnelRoute route;
      route.name = name;
      route.peerapi = {AddrPort::FromIpv4({198, 19, 0, 9}, 1)};
      funnel_.routes.insert_or_assign(route.name, std::pair(route, true));
    });
  }

  FakeFunnel funnel_;
  TestServer server_{{.funnel = &funnel_}};
};

TEST_F(HttpFunnelTest, RoutesAreListedAsTheyAre) {
  EXPECT_EQ(BodyOf(server_.Request("GET", kPath)), "{\"routes\":[]}\n");
  GiveToFile("*.z.example");
  ASSERT_EQ(StatusOf(Put(R"({"name":"a.example","ports":[443,8443],"peerapi":["198.19.0.7:9640","[2001:db8::1]:1"],
      "allow":["192.0.2.0/24","2001:db8::/32"],"deny":["192.0.2.1/32"],"max_connections":1,"new_per_second":2,
      "bytes_per_second":9223372036854775807})")),
            201);
  funnel_.open = 5;
  const std::string response = server_.Request("GET", kPath);
  EXPECT_EQ(HeaderOf(response, "Content-Type"), "application/json");
  EXPECT_EQ(BodyOf(response),
            "{\"routes\":[{\"name\":\"*.z.example\",\"peerapi\":[\"198.19.0.9:1\"],\"allow\":[],\"deny\":[],"
            "\"max_connections\":0,\"new_per_second\":0,\"bytes_per_second\":0,\"source\":\"file\",\"connections\":5,"
            "\"nodes\":[{\"peerapi\":\"198.19.0.9:1\",\"healthy\":true}]},"
            "{\"name\":\"a.example\",\"ports\":[443,8443],\"peerapi\":[\"198.19.0.7:9640\",\"[2001:db8::1]:1\"],"
            "\"allow\":[\"192.0.2.0/24\",\"2001:db8::/32\"],\"deny\":[\"192.0.2.1/32\"],\"max_connections\":1,"
            "\"new_per_second\":2,\"bytes_per_second\":9223372036854775807,\"source\":\"api\",\"connections\":5,"
            "\"nodes\":[{\"peerapi\":\"198.19.0.7:9640\",\"healthy\":true},"
            "{\"peerapi\":\"[2001:db8::1]:1\",\"healthy\":false}]}]}\n");
}

TEST_F(HttpFunnelTest, ManyRoutesAreListedWhole) {
  server_.OnControl([&] {
    for (int i = 0; i < 300; ++i) {
      FunnelRoute route;
      route.name = text::Cat("r", 100 + i, ".example");
      route.peerapi = {AddrPort::FromIpv4({198, 19, 0, 9}, 1)};
      funnel_.Put(std::move(route));
    }
  });
  const boost::json::value json = boost::json::parse(BodyOf(server_.Request("GET", kPath)));
  const boost::json::array& routes = json.at("routes").as_array();
  ASSERT_EQ(routes.size(), 300u);
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(routes[static_cast<size_t>(i)].at("name").as_string(), text::Cat("r", 100 + i, ".example"));
  }
}

TEST_F(HttpFunnelTest, APutCreatesAndThenReplaces) {
  const std::string created = Put(kSmall);
  EXPECT_EQ(StatusOf(created), 201);
  EXPECT_TRUE(created.starts_with("HTTP/1.1 201 Created\r\n"));
  EXPECT_EQ(BodyOf(created), "route node.example created\n");
  const std::string replaced = Put(R"({"name":"node.example","peerapi":["198.19.0.8:9640"]})");
  EXPECT_EQ(StatusOf(replaced), 200);
  EXPECT_EQ(BodyOf(replaced), "route node.example replaced\n");
  server_.OnControl([&] {
    ASSERT_EQ(funnel_.routes.size(), 1u);
    EXPECT_EQ(funnel_.routes.at("node.example").first.peerapi.front().ToString(), "198.19.0.8:9640");
  });
}

TEST_F(HttpFunnelTest, WhatGetAnswersCanBePutAgain) {
  ASSERT_EQ(StatusOf(Put(kSmall)), 201);
  const boost::json::value json = boost::json::parse(BodyOf(server_.Request("GET", kPath)));
  EXPECT_EQ(StatusOf(Put(boost::json::serialize(json.at("routes").at(0)))), 200);
}

TEST_F(HttpFunnelTest, ABadRouteIsRefusedWithItsReason) {
  struct Row {
    std::string_view body, line;
  };
  for (const Row& row :
       {Row{"", "request body:1: not JSON: incomplete JSON\n"},
        {"{\n", "request body:2: not JSON: incomplete JSON\n"},
        {"[]", "request body:1: a route is not an object\n"},
        {"{}", "request body:1: a route has no \"name\"\n"},
        {"{\"name\":\"a\",\n\"peerapi\":[]}", "request body:2: \"peerapi\" is empty\n"},
        {R"({"name":"192.0.2.1","peerapi":["198.19.0.7:9640"]})", "request body:1: \"192.0.2.1\" is not a host name\n"},
        {R"({"name":"a","peerapi":["198.19.0.7:9640"]} x)", "request body:1: not JSON: extra data\n"}}) {
    const std::string response = Put(row.body);
    EXPECT_EQ(StatusOf(response), 400) << row.body;
    EXPECT_EQ(BodyOf(response), row.line);
  }
  EXPECT_EQ(StatusOf(Put(std::string(4097, ' '))), 413);
  EXPECT_TRUE(funnel_.routes.empty());
}

TEST_F(HttpFunnelTest, TheFilesRoutesAreTheFiles) {
  GiveToFile("node.example");
  const std::string put = Put(kSmall);
  EXPECT_TRUE(put.starts_with("HTTP/1.1 409 Conflict\r\n"));
  EXPECT_EQ(BodyOf(put), "route node.example is the policy file's\n");
  EXPECT_EQ(StatusOf(Delete("?name=node.example&close=1")), 409);
  EXPECT_EQ(funnel_.deleted_and_closed, "");
}

TEST_F(HttpFunnelTest, TooManyRoutesAre503) {
  funnel_.most = 0;
  EXPECT_EQ(StatusOf(Put(kSmall)), 503);
}

TEST_F(HttpFunnelTest, ADeleteNamesItsRouteAndMayCloseIt) {
  for (const std::string_view name : {"a.example", "*.b.example", "c.example", "d.example"}) {
    ASSERT_EQ(StatusOf(Put(text::Cat(R"({"name":")", name, R"(","peerapi":["198.19.0.7:9640"]})"))), 201);
  }
  EXPECT_EQ(StatusOf(Delete("?name=a.example")), 204);
  EXPECT_EQ(StatusOf(Delete("?name=a.example")), 404);
  EXPECT_EQ(StatusOf(Delete("?x=1&name=%2a.B.ex%61mple.&close=1")), 204);
  EXPECT_EQ(StatusOf(Delete("?close=0&name=c.example")), 204);
  EXPECT_EQ(funnel_.deleted, "a.example c.example ");
  EXPECT_EQ(funnel_.deleted_and_closed, "*.b.example ");
  for (const std::string_view query :
       {"", "?", "?name", "?name=", "?close=1", "?name=%", "?name=d.example%2", "?name=a%g0", "?name=a%00b",
        "?name=d.example+", "?name=d.example&close=yes", "?names=d.example"}) {
    EXPECT_EQ(StatusOf(Delete(query)), 400) << query;
  }
  EXPECT_EQ(funnel_.routes.size(), 1u);
}

TEST_F(HttpFunnelTest, NoContentHasNoBodyAndTheConnectionGoesOn) {
  ASSERT_EQ(StatusOf(Put(kSmall)), 201);
  RawClient client = server_.Connect();
  client.Send(text::Cat("DELETE ", kPath, "?name=node.example HTTP/1.1\r\nHost: peer\r\n\r\n"));
  client.Send("GET /healthz HTTP/1.1\r\nHost: peer\r\n\r\n");
  EXPECT_EQ(client.ReadHead(), "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(BodyOf(client.ReadResponse()), "ok\n");
}

TEST_F(HttpFunnelTest, OtherMethodsAre405) {
  for (const std::string_view method : {"POST", "PATCH", "get", "GET,", "OPTIONS"}) {
    const std::string response = server_.Request(method, kPath);
    const int status = StatusOf(response);
    EXPECT_EQ(status, method == "GET," ? 400 : 405) << method;  // A comma is in no method's name.
    if (status != 405) continue;
    EXPECT_EQ(BodyOf(response), "only GET, PUT and DELETE allowed\n");
    EXPECT_EQ(HeaderOf(response, "Allow"), "GET, HEAD, PUT, DELETE");
  }
  EXPECT_EQ(StatusOf(server_.Request("HEAD", kPath)), 200);
}

TEST_F(HttpFunnelTest, OnlyAnAdminGetsSoFar) {
  TestServer closed({.policy = PolicyOf(R"({"peers":[{"prefix":"127.0.0.0/8","capabilities":["relay","ingress"]}]})"),
                     .funnel = &funnel_});
  for (const std::string_view method : {"GET", "PUT", "DELETE", "POST"}) {
    const std::string response = closed.Request(method, kPath, "", std::string(5000, 'x'));
    EXPECT_EQ(StatusOf(response), 403) << method;
    EXPECT_EQ(BodyOf(response), "admin not permitted\n");
  }
}

TEST_F(HttpFunnelTest, WithoutAFunnelItsPathIsUnknown) {
  EXPECT_EQ(BodyOf(TestServer().Request("GET", kPath)), "unsupported peerapi path\n");
}

constexpr std::string_view kIngress = "/v0/ingress";

TEST_F(HttpFunnelTest, IngressNeedsItsCapabilityAndSomethingInstalled) {
  struct Row {
    std::string_view capabilities, method, headers;
    int status;
    std::string_view line;
  };
  for (const Row& row : {Row{R"("admin")", "POST", "", 403, "denied; no ingress cap\n"},
                         {R"("admin")", "GET", "", 403, "denied; no ingress cap\n"},
                         {R"("ingress")", "POST", "Origin: http://evil.example\r\n", 403, "invalid peerapi request\n"},
                         {R"("ingress")", "POST", "", 404, "unsupported peerapi path\n"},
                         {R"("ingress")", "GET", "", 404, "unsupported peerapi path\n"}}) {
    TestServer server({.policy = PolicyOf(text::Cat(R"({"peers":[{"prefix":"127.0.0.0/8","capabilities":[)",
                                                    row.capabilities, "]}]}"))});
    const std::string response = server.Request(row.method, kIngress, row.headers);
    EXPECT_EQ(StatusOf(response), row.status) << row.line;
    EXPECT_EQ(BodyOf(response), row.line);
    EXPECT_EQ(HeaderOf(response, "Connection"), "close");
  }
}

TEST_F(HttpFunnelTest, WhatIsInstalledGetsTheRequestWhateverItsMethodAndBody) {
  std::vector<std::string> seen;
  TestServer server({.ingress = [&](const HttpRequest& request, std::shared_ptr<Exchange> exchange) {
    seen.push_back(text::Cat(request.method, " ", request.body.size(), request.body_too_big ? " too big" : ""));
    exchange->Hijack([](int fd, const std::string& behind) {
      const std::string answer = "HTTP/1.1 101 Switching Protocols\r\n\r\n" + behind;
      EXPECT_EQ(write(fd, answer.data(), answer.size()), static_cast<ssize_t>(answer.size()));
      close(fd);
    });
  }});
  const auto ask = [&](std::string_view request) {
    RawClient client = server.Connect();
    client.Send(request);
    return client.ReadToEnd();
  };
  EXPECT_EQ(ask("POST /v0/ingress HTTP/1.1\r\nHost: peer\r\nContent-Length: 0\r\n\r\nbytes"),
            "HTTP/1.1 101 Switching Protocols\r\n\r\nbytes");
  ask("PUT /v0/ingress HTTP/1.1\r\nHost: peer\r\nContent-Length: 2\r\n\r\nhi");
  ask("POST /v0/ingress HTTP/1.1\r\nHost: peer\r\nContent-Length: 5000\r\n\r\n");
  ask("POST /v0/ingress HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n\r\n");
  server.OnControl([&] { EXPECT_THAT(seen, testing::ElementsAre("POST 0", "PUT 2", "POST 0 too big")); });
}

}  // namespace
}  // namespace relay
