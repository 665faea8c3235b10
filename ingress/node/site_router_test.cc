#include "ingress/node/site_router.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "ingress/node/plain_responder.h"
#include "ingress/node/request_path.h"
#include "ingress/node/transaction_fixture.h"

namespace ingress {
namespace {

constexpr std::string_view kConfig = R"({
  "TCP": {"443": {"HTTPS": true}, "8443": {"HTTPS": true}},
  "Web": {
    "node.example:443": {"Handlers": {
      "/": {"Proxy": "3000"},
      "/api": {"Proxy": "http://127.0.0.1:3001/v1"},
      "/api/text": {"Text": "hello"},
      "/old": {"Redirect": "301:https://new.example/x"},
      "/away": {"Redirect": "/elsewhere"}
    }},
    "node.example:8443": {"Handlers": {"/only": {"Text": "8443"}}},
    "*.wild.example:443": {"Handlers": {"/": {"Text": "wild"}}}
  }
})";

struct SiteRouterTest : testing::Test {
  SiteRouterTest() {
    auto parsed = ServeConfig::Parse(kConfig, "serve.json", {});
    EXPECT_TRUE(parsed.ok()) << parsed.status();
    config = std::make_shared<const ServeConfig>(*std::move(parsed));
  }
  // Of the answer to one request; a proxied one is answered 200 and noted.
  FakeTransaction Ask(std::string_view path, std::string_view host = "node.example", std::string_view method = "GET",
                      std::string_view target = "node.example:443") {
    proxied.reset();
    const RequestRouter router = MakeSiteRouter(
        *AddrPort::Parse("203.0.113.7:4711"), *HostPort::Parse(target), config,
        [this](HttpTransaction& transaction, RequestHead head, const Backend& backend) {
          proxied = {std::move(head), backend.addr.port};
          return MakeTextResponder(transaction, "proxied");
        },
        stats);
    RequestHead head;
    head.method = method;
    head.target = path;
    head.authority = host;
    head.fields = {{"X-Real-IP", "127.0.0.1"}, {"Accept", "*/*"}};
    FakeTransaction transaction;
    const auto responder = router(transaction, std::move(head));
    transaction.Run(*responder);
    return transaction;
  }

  struct Proxied {
    RequestHead head;
    uint16_t port;
  };
  std::shared_ptr<const ServeConfig> config;
  HttpsStats stats;
  std::optional<Proxied> proxied;
};

TEST_F(SiteRouterTest, TheLongestMountWinsAndIsStripped) {
  struct Row {
    std::string_view path, to;
    uint16_t port;
  };
  for (const Row& row :
       {Row{"/", "/", 3000}, Row{"/x/y?q=1", "/x/y?q=1", 3000}, Row{"/apix", "/apix", 3000}, Row{"/api", "/v1/", 3001},
        Row{"/api/", "/v1/", 3001}, Row{"/api?q", "/v1/?q", 3001}, Row{"/api/a%20b/c", "/v1/a%20b/c", 3001},
        Row{"/api/textile", "/v1/textile", 3001}, Row{"/x//y", "/x//y", 3000}, Row{"/x%2Fy", "/x%2Fy", 3000},
        Row{"/@scope%2fname", "/@scope%2fname", 3000}, Row{"/a.b/..c/...", "/a.b/..c/...", 3000},
        Row{"/?x=/../%2e%2e//", "/?x=/../%2e%2e//", 3000}}) {
    Ask(row.path);
    ASSERT_TRUE(proxied) << row.path;
    EXPECT_EQ(proxied->head.target, row.to) << row.path;
    EXPECT_EQ(proxied->port, row.port) << row.path;
  }
}

TEST_F(SiteRouterTest, PathsThatAnyTwoReadersTakeDifferentlyAreRefused) {
  for (const std::string_view path : {"/..",
                                      "/.",
                                      "/../x",
                                      "/api/../x",
                                      "/api/./x",
                                      "/api/..",
                                      "/%2e%2e/x",
                                      "/api/%2E./x",
                                      "/api/.%2e",
                                      "/api/..;x/y",
                                      "/api/%2e%2e%3bx/y",
                                      "/api/..%2fx",
                                      "/api%2f..%2fx",
                                      "/api/..%5cx",
                                      "/api/..\\x",
                                      "/x\\y",
                                      "//",
                                      "//api",
                                      "//evil.example/x",
                                      "/api//x",
                                      "/api/%2fx",
                                      "/%61pi/x",
                                      "/x/..//api",
                                      "/%2fapi/x",
                                      "/api%2fx",
                                      "/api%2ftext",
                                      "/%",
                                      "/%2",
                                      "/%zz",
                                      "/x%00",
                                      "/x%0d%0aY",
                                      "/%7f",
                                      "/api/%5cx",
                                      "/%2"}) {
    EXPECT_EQ(Ask(path).head.status, 400) << path;
    EXPECT_FALSE(proxied) << path;
  }
}

TEST_F(SiteRouterTest, OtherNamesAreMisdirected) {
  for (const std::string_view host : {"node.example", "node.example:443", "NODE.Example", "node.example."}) {
    EXPECT_EQ(Ask("/", host).head.status, 200) << host;
    EXPECT_EQ(proxied->head.authority, host);
  }
  const std::vector<std::string_view> others = {
      "other.example",      "node.example:8443", "node.example:", "node.example:x", "a.node.example",
      "wild.example",       "x@node.example",    "127.0.0.1",     "[::1]",          "",
      "node.example:0443x", "a.wild.example"};
  for (const std::string_view host : others) EXPECT_EQ(Ask("/", host).head.status, 421) << host;
  EXPECT_EQ(stats.misdirected.Get(), others.size());
}

TEST_F(SiteRouterTest, TheTargetChoosesTheSite) {
  EXPECT_EQ(Ask("/only", "node.example:8443", "GET", "node.example:8443").body, "8443");
  EXPECT_EQ(Ask("/only", "node.example", "GET", "node.example:8443").body, "8443");
  EXPECT_EQ(Ask("/", "node.example:8443", "GET", "node.example:8443").head.status, 404);
  EXPECT_EQ(Ask("/", "a.wild.example", "GET", "a.wild.example:443").body, "wild");
  EXPECT_EQ(Ask("/", "b.wild.example", "GET", "a.wild.example:443").head.status, 421);
  EXPECT_EQ(Ask("/", "none.example", "GET", "none.example:443").head.status, 404);
}

TEST_F(SiteRouterTest, AnswersOfItsOwn) {
  EXPECT_EQ(Ask("/api/text").body, "hello");
  EXPECT_EQ(Ask("/api/text/below", "node.example", "POST").body, "hello");
  FakeTransaction redirect = Ask("/old/below?x");
  EXPECT_EQ(redirect.head.status, 301);
  EXPECT_EQ(redirect.Field("Location"), "https://new.example/x");
  EXPECT_EQ(Ask("/away").head.status, 302);
  EXPECT_EQ(Ask("/", "node.example", "TRACE").head.status, 405);
  EXPECT_EQ(Ask("*", "node.example", "OPTIONS").head.status, 404);
  EXPECT_EQ(Ask("/", "other.example").body, "this name is not served here\n");
}

TEST_F(SiteRouterTest, BackendsSeeWhoTheClientIs) {
  Ask("/");
  EXPECT_EQ(proxied->head.fields, (HttpFields{{"Accept", "*/*"},
                                              {"X-Forwarded-For", "203.0.113.7"},
                                              {"X-Forwarded-Host", "node.example"},
                                              {"X-Forwarded-Proto", "https"},
                                              {"Tailscale-Funnel-Request", "?1"}}));
}

TEST(RequestPathTest, Decodes) {
  EXPECT_EQ(DecodePath("/a%20b//c%2f%2Fd/%C3%A4"), "/a b/c/d/\xc3\xa4");
  EXPECT_EQ(DecodePath("/%252e%252e/"), "/%2e%2e/");
  EXPECT_EQ(DecodePath("/a/%2e%2e"), std::nullopt);
}

}  // namespace
}  // namespace ingress
