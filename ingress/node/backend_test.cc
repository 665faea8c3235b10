#include "ingress/node/backend.h"

#include <gtest/gtest.h>

namespace ingress {
namespace {

std::string Why(const absl::Status& status) { return std::string(status.message()); }

TEST(BackendTest, ProxyTargets) {
  struct Case {
    std::string_view written, addr, host, prefix, text;
    bool tls = false, verify = true;
  };
  const Case cases[] = {
      {"3000", "127.0.0.1:3000", "127.0.0.1:3000", "", "http://127.0.0.1:3000"},
      {"localhost:3000", "127.0.0.1:3000", "localhost:3000", "", "http://localhost:3000"},
      {"LocalHost:1/a/", "127.0.0.1:1", "LocalHost:1", "/a", "http://LocalHost:1/a"},
      {"127.0.0.9:80", "127.0.0.9:80", "127.0.0.9:80", "", "http://127.0.0.9:80"},
      {"[::1]:8080", "[::1]:8080", "[::1]:8080", "", "http://[::1]:8080"},
      {"http://localhost", "127.0.0.1:80", "localhost", "", "http://localhost"},
      {"HTTP://127.0.0.1/", "127.0.0.1:80", "127.0.0.1", "", "http://127.0.0.1"},
      {"http://[::1]/a/b//", "[::1]:80", "[::1]", "/a/b", "http://[::1]/a/b"},
      {"https://localhost", "127.0.0.1:443", "localhost", "", "https://localhost", true},
      {"https://198.18.0.1:8443/x", "198.18.0.1:8443", "198.18.0.1:8443", "/x", "https://198.18.0.1:8443/x", true},
      {"https+insecure://localhost:1", "127.0.0.1:1", "localhost:1", "", "https+insecure://localhost:1", true, false},
  };
  for (const Case& c : cases) {
    const auto backend = ParseProxyTarget(c.written);
    ASSERT_TRUE(backend.ok()) << backend.status();
    EXPECT_EQ(backend->addr, AddrPort::Parse(c.addr)) << c.written;
    EXPECT_EQ(backend->host, c.host) << c.written;
    EXPECT_EQ(backend->path_prefix, c.prefix) << c.written;
    EXPECT_EQ(backend->text, c.text);
    EXPECT_EQ(backend->tls, c.tls) << c.written;
    EXPECT_EQ(backend->verify, c.verify) << c.written;
  }
}

TEST(BackendTest, ProxyTargetsThatAreNone) {
  const std::string_view name = " has a host that is neither localhost nor an IP address; names are not looked up";
  const std::string_view port = " has a port that is not a number of 1 to 65535";
  const std::string_view segment = " has an empty or a dot segment in its path";
  const std::string_view beyond = " has a query, a fragment or a backslash";
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"", " is not a proxy target"},
      {"a b:1", " is not a proxy target"},
      {"http://localhost/\xc3\xa9", " is not a proxy target"},
      {"0", port},
      {"65536", port},
      {"localhost", " has no port"},
      {"localhost:", " is not host:port"},
      {"localhost:http", port},
      {"localhost:0", port},
      {"::1:80", port},
      {"1::80", port},
      {"[::1:80", " is not host:port"},
      {"[::1]80", " is not host:port"},
      {"web.example:80", name},
      {"http://web.example", name},
      {"http://", name},
      {"127.1:80", name},
      {"[127.0.0.1]:80", name},
      {"[localhost]:80", name},
      {"0.0.0.0:80", " is an address that no backend can have"},
      {"[::]:80", " is an address that no backend can have"},
      {"224.0.0.1:80", " is an address that no backend can have"},
      {"ftp://localhost", " is neither http, https nor https+insecure"},
      {"unix:/run/web.sock", " is not host:port"},
      {"http://me:secret@127.0.0.1:80", " has a user name"},
      {"http://127.0.0.1:80/a/../b", segment},
      {"http://127.0.0.1:80/a//b", segment},
      {"http://127.0.0.1:80//", ""},
      {"http://127.0.0.1:80/?q=1", beyond},
      {"http://127.0.0.1:80?q=1", beyond},
      {"http://127.0.0.1:80/#f", beyond},
      {"http://127.0.0.1:80\\a", beyond},
  };
  for (const auto& [written, why] : cases) {
    const auto backend = ParseProxyTarget(written);
    EXPECT_EQ(Why(backend.status()), why.empty() ? "" : "\"" + std::string(written) + "\"" + std::string(why));
  }
}

TEST(BackendTest, ForwardTargets) {
  EXPECT_EQ(ParseForwardTarget("localhost:5432")->addr, AddrPort::Parse("127.0.0.1:5432"));
  EXPECT_EQ(ParseForwardTarget("[::1]:22")->text, "[::1]:22");
  EXPECT_EQ(Why(ParseForwardTarget("5432").status()), "\"5432\" has no port");
  EXPECT_FALSE(ParseForwardTarget("tcp://localhost:1").ok());
  EXPECT_FALSE(ParseForwardTarget("localhost:1/a").ok());
  EXPECT_FALSE(ParseForwardTarget("db.example:1").ok());
  EXPECT_FALSE(ParseForwardTarget("").ok());
}

TEST(BackendTest, Redirects) {
  for (const int status : {301, 302, 303, 307, 308}) {
    const auto redirect = ParseRedirect(std::to_string(status) + ":https://other.example/a?b#c");
    ASSERT_TRUE(redirect.ok());
    EXPECT_EQ(redirect->status, status);
    EXPECT_EQ(redirect->target, "https://other.example/a?b#c");
  }
  EXPECT_EQ(ParseRedirect("http://other.example")->status, 302);
  EXPECT_EQ(ParseRedirect("/login")->target, "/login");
  EXPECT_EQ(ParseRedirect("301:/login")->target, "/login");
  for (const std::string_view wrong :
       {"", "301:", "304:https://a", "200:/a", "other.example", "ftp://a", "javascript:alert(1)", "https://",
        "https:///a", "https://a b", "https://a\r\nSet-Cookie: x", "https://a\x7f", "https://${HOST}${REQUEST_URI}"}) {
    EXPECT_FALSE(ParseRedirect(wrong).ok()) << wrong;
  }
}

TEST(BackendTest, KnowsThisMachinesAddresses) {
  EXPECT_TRUE(IsOwnAddress(*AddrPort::Parse("127.0.0.77:1")));
  EXPECT_TRUE(IsOwnAddress(*AddrPort::Parse("[::1]:1")));
  EXPECT_FALSE(IsOwnAddress(*AddrPort::Parse("198.51.100.77:1")));
  EXPECT_FALSE(IsOwnAddress(*AddrPort::Parse("[2001:db8::77]:1")));
}

}  // namespace
}  // namespace ingress
