#include "ingress/node/serve_config.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

namespace ingress {
namespace {

const std::vector<AddrPort> kOwn = {*AddrPort::Parse("127.0.0.1:9640"), *AddrPort::Parse("0.0.0.0:9642")};

ServeConfig Parsed(std::string_view json) {
  auto config = ServeConfig::Parse(json, "/etc/node/s", kOwn);
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *std::move(config) : ServeConfig{};
}

std::string ErrorOf(std::string_view json) {
  const auto config = ServeConfig::Parse(json, "s", kOwn);
  return config.ok() ? "" : std::string(config.status().message());
}

HostPort At(std::string_view text) { return HostPort::Parse(text).value(); }

constexpr std::string_view kEverything = R"({
  "TCP": {"443": {"HTTPS": true}, "8443": {"TCPForward": "localhost:5432", "TerminateTLS": "DB.example.", "ProxyProtocol": 2},
          "22": {"TCPForward": "[::1]:22", "HTTPS": false}},
  "Web": {"Node.Example:443": {"Handlers": {"/": {"Proxy": "3000"}, "/docs/": {"Path": "docs"}, "/abs": {"Path": "/srv"},
            "/hi": {"Text": "hello"}, "/old": {"Redirect": "301:/new"}}},
          "*.example:443": {"Handlers": {"/": {"Text": "any"}}}},
  "AllowFunnel": {"node.example:443": true, "off.example:443": false, "*.example:443": true, "db.example:8443": true},
  "Listen": ["198.19.0.7:9640", "[2001:db8::7]:9640"],
  "Peers": [{"prefix": "198.19.0.0/16", "name": "edge", "capabilities": ["ingress", "relay", "connector:a"]}],
  "Certificates": [{"Name": "Node.example", "Cert": "node.pem", "Key": "/keys/node.key"},
                   {"Name": "*.example", "Cert": "../any.pem", "Key": "any.key"}],
  "AcmeTLS": "127.0.0.1:8444"
})";

TEST(ServeConfigTest, ReadsEveryField) {
  const ServeConfig config = Parsed(kEverything);
  ASSERT_EQ(config.tcp.size(), 3u);
  EXPECT_TRUE(config.tcp.at(443).https);
  EXPECT_EQ(config.tcp.at(8443).forward->addr, AddrPort::Parse("127.0.0.1:5432"));
  EXPECT_EQ(config.tcp.at(8443).terminate_tls, "db.example");
  EXPECT_EQ(config.tcp.at(8443).proxy_protocol, 2);
  EXPECT_EQ(config.tcp.at(22).terminate_tls, "");
  const WebSite& site = config.web.at(At("node.example:443"));
  EXPECT_EQ(std::get<ProxyHandler>(site.handlers.at("/")).backend.addr, AddrPort::Parse("127.0.0.1:3000"));
  EXPECT_EQ(std::get<PathHandler>(site.handlers.at("/docs")).path, "/etc/node/docs");
  EXPECT_EQ(std::get<PathHandler>(site.handlers.at("/abs")).path, "/srv");
  EXPECT_EQ(std::get<TextHandler>(site.handlers.at("/hi")).text, "hello");
  EXPECT_EQ(std::get<RedirectHandler>(site.handlers.at("/old")).status, 301);
  EXPECT_EQ(config.listen, (std::vector{*AddrPort::Parse("198.19.0.7:9640"), *AddrPort::Parse("[2001:db8::7]:9640")}));
  EXPECT_TRUE(config.peers.Find(*AddrPort::Parse("198.19.3.4:5"), "").Has(relay::Capability::kIngress));
  EXPECT_FALSE(config.peers.Find(*AddrPort::Parse("127.0.0.1:5"), "").Has(relay::Capability::kIngress));
  ASSERT_EQ(config.certificates.size(), 2u);
  EXPECT_EQ(config.certificates[0].name, "node.example");
  EXPECT_EQ(config.certificates[0].cert, "/etc/node/node.pem");
  EXPECT_EQ(config.certificates[0].key, "/keys/node.key");
  EXPECT_EQ(config.acme_tls, AddrPort::Parse("127.0.0.1:8444"));
  EXPECT_FALSE(config.any_backend);
  EXPECT_FALSE(config.serves_nothing());
}

TEST(ServeConfigTest, AnEmptyFileServesNothing) {
  const ServeConfig config = Parsed("{}");
  EXPECT_TRUE(config.serves_nothing());
  EXPECT_FALSE(config.IsAllowed(At("node.example:443")));
  EXPECT_FALSE(config.Serves(At("node.example:443")));
  EXPECT_TRUE(config.peers.Find(*AddrPort::Parse("127.0.0.1:5"), "").Has(relay::Capability::kIngress));
}

TEST(ServeConfigTest, ExactBeatsWildcard) {
  const ServeConfig config = Parsed(kEverything);
  struct Case {
    std::string_view target;
    bool allowed, serves;
  };
  for (const Case& c : std::initializer_list<Case>{{"node.example:443", true, true},
                                                   {"off.example:443", false, true},
                                                   {"other.example:443", true, true},
                                                   {"a.other.example:443", false, false},
                                                   {"example:443", false, false},
                                                   {"*.example:443", false, false},  // Nobody is at a wildcard.
                                                   {"node.example:8443", false, false},
                                                   {"db.example:8443", true, true},
                                                   {"db.example:22", false, true},
                                                   {"node.example:80", false, false}}) {
    EXPECT_EQ(config.IsAllowed(At(c.target)), c.allowed) << c.target;
    EXPECT_EQ(config.Serves(At(c.target)), c.serves) << c.target;
  }
  EXPECT_EQ(config.FindSite(At("node.example:443")), &config.web.at(At("node.example:443")));
  EXPECT_EQ(config.FindSite(At("x.example:443")), &config.web.at(At("*.example:443")));
  EXPECT_EQ(config.FindSite(At("x.example:444")), nullptr);
}

TEST(ServeConfigTest, TheLongestMountWinsOnWholeSegments) {
  WebSite site;
  for (const char* mount : {"/", "/api", "/api/v2", "/docs/"}) site.handlers[mount] = TextHandler{};
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"/", "/"},           {"/x", "/"},         {"/api", "/api"},       {"/api/", "/api"},
      {"/api/v1", "/api"},  {"/apiv2", "/"},     {"/api/v2", "/api/v2"}, {"/api/v2/x/y", "/api/v2"},
      {"/api/v22", "/api"}, {"/docs", "/docs/"}, {"/docs/", "/docs/"},   {"/docs/a", "/docs/"},
      {"/docsx", "/"},      {"//api", "/"},      {"/API", "/"},          {"/x/api", "/"}};
  for (const auto& [path, mount] : cases) {
    ASSERT_NE(site.Find(path), nullptr) << path;
    EXPECT_EQ(site.Find(path)->first, mount) << path;
  }
  for (const std::string_view path : {"", "*", "api"}) EXPECT_EQ(site.Find(path), nullptr) << path;
  site.handlers.erase("/");
  EXPECT_EQ(site.Find("/"), nullptr);
  EXPECT_EQ(site.Find("/apiv2"), nullptr);
}

TEST(ServeConfigTest, HostsAndPorts) {
  EXPECT_EQ(At("Node.Example.:0443").ToString(), "node.example:443");
  EXPECT_EQ(At("*.x:1").host, "*.x");
  for (const std::string_view wrong :
       {"", "node.example", "node.example:", ":443", "node.example:0", "node.example:65536", "node.example:https",
        "1.2.3.4:443", "[::1]:443", "a b:1", "a..b:1", "a.*.b:1"}) {
    EXPECT_EQ(HostPort::Parse(wrong), std::nullopt) << wrong;
  }
}

TEST(ServeConfigTest, FieldsThatAreNotServedAreRefusedByName) {
  for (const std::string name : {"Foreground", "Services", "services", "Tun", "ETag", "Version", "version"}) {
    EXPECT_EQ(ErrorOf("{\n\"" + name + "\": {}}"), "s:2: \"" + name + "\" is not served");
  }
  EXPECT_EQ(ErrorOf("{\"TCP\": {\"80\": {\n\"HTTP\": true}}}"), "s:2: \"HTTP\" is not served");
  EXPECT_EQ(ErrorOf(R"({"Web": {"a:443": {"Handlers": {"/": {"AcceptAppCaps": []}}}}})"),
            "s:1: \"AcceptAppCaps\" is not served");
  EXPECT_EQ(ErrorOf(R"({"Funnel": {}})"), "s:1: unknown field \"Funnel\" in the serve config");
}

TEST(ServeConfigTest, WrongConfigsAreRefusedWithFileLineAndReason) {
  const auto tcp = [](std::string_view fields) { return "{\"TCP\": {\n\"443\": {" + std::string(fields) + "}}}"; };
  const auto handler = [](std::string_view fields) {
    return "{\"TCP\": {\"443\": {\"HTTPS\": true}}, \"Web\": {\"a:443\": {\"Handlers\": {\n" + std::string(fields) +
           "}}}}";
  };
  const std::string not_mount = " is not a mount (a path such as /api, without query, %, empty and dot segments)";
  const std::pair<std::string, std::string> cases[] = {
      {"[]", "s:1: the serve config is not an object"},
      {"{\"TCP\": []}", "s:1: \"TCP\" is not an object"},
      {"{\"TCP\": {\"https\": {}}}", "s:1: \"https\" is not a port"},
      {"{\"TCP\": {\"0\": {}}}", "s:1: \"0\" is not a port"},
      {tcp(R"("HTTPS": true}, "0443": {"HTTPS": true)"), "s:2: port 443 stands here twice"},
      {tcp(""), "s:2: port 443 has neither \"HTTPS\" nor \"TCPForward\""},
      {tcp(R"("HTTPS": false)"), "s:2: port 443 has neither \"HTTPS\" nor \"TCPForward\""},
      {tcp(R"("HTTPS": 1)"), "s:2: \"HTTPS\" is not true or false"},
      {tcp(R"("HTTPS": true, "TCPForward": "localhost:1")"), "s:2: port 443 has both \"HTTPS\" and \"TCPForward\""},
      {tcp(R"("HTTPS": true, "TerminateTLS": "a")"), "s:2: port 443 has \"TerminateTLS\" without \"TCPForward\""},
      {tcp(R"("HTTPS": true, "ProxyProtocol": 1)"), "s:2: port 443 has \"ProxyProtocol\" without \"TCPForward\""},
      {tcp(R"("TCPForward": "localhost:1", "ProxyProtocol": 3)"),
       "s:2: \"ProxyProtocol\" is not a whole number of 1 to 2"},
      {tcp(R"("TCPForward": "localhost:1", "TerminateTLS": "*.a")"), "s:2: \"*.a\" is not a host name"},
      {tcp(R"("TCPForward": "localhost:1", "TerminateTLS": "")"), "s:2: \"\" is not a host name"},
      {tcp(R"("TCPForward": 1)"), "s:2: \"TCPForward\" is not a string"},
      {tcp(R"("Nope": 1)"), "s:2: unknown field \"Nope\" in port 443"},
      {"{\"Web\": {\"a\": {}}}", "s:1: \"a\" is not a host name and a port (node.example:443)"},
      {"{\"Web\": {\"a:443\": {}}}", "s:1: a:443 has no \"Handlers\""},
      {"{\"Web\": {\"a:443\": {\"Handlers\": {}}}}", "s:1: a:443 has no handler"},
      {"{\"Web\": {\n\"a:443\": {\"Handlers\": {\"/\": {\"Text\": \"\"}}}}}",
       "s:2: a:443 is in \"Web\", but \"TCP\" has no \"HTTPS\" on port 443"},
      {R"({"TCP": {"443": {"TCPForward": "localhost:1"}}, "Web": {"a:443": {"Handlers": {"/": {"Text": ""}}}}})",
       "s:1: a:443 is in \"Web\", but \"TCP\" has no \"HTTPS\" on port 443"},
      {handler(R"("/": {"Text": ""}}}, "A.:443": {"Handlers": {"/": {"Text": ""})"), "s:2: a:443 stands here twice"},
      {handler(R"("/": {})"), "s:2: mount / has 0 of Proxy, Text, Path and Redirect, not one"},
      {handler(R"("/": {"Text": "", "Path": "a"})"), "s:2: mount / has 2 of Proxy, Text, Path and Redirect, not one"},
      {handler(R"("/a": {"Text": ""}, "/a/": {"Text": ""})"), "s:2: mount /a stands here twice"},
      {handler(R"("/": {"Text": 1})"), "s:2: \"Text\" is not a string"},
      {handler(R"("/": {"Path": ""})"), "s:2: \"\" is not a path"},
      {handler("\"/\": {\"Path\": \"a\\u0000b\"}"), std::string("s:2: \"a?b\" is not a path")},
      {handler("\"/\": {\"Redirect\": \"https://a/\\r\\nb\"}"),
       "s:2: \"https://a/??b\" is not a redirect's URL (http://, https:// or a path, without blanks)"},
      {handler(R"("": {"Text": ""})"), "s:2: \"\"" + not_mount},
      {handler(R"("api": {"Text": ""})"), "s:2: \"api\"" + not_mount},
      {handler(R"("/a/../b": {"Text": ""})"), "s:2: \"/a/../b\"" + not_mount},
      {handler(R"("//": {"Text": ""})"), "s:2: \"//\"" + not_mount},
      {handler(R"("/a//": {"Text": ""})"), "s:2: \"/a//\"" + not_mount},
      {handler(R"("/a?b": {"Text": ""})"), "s:2: \"/a?b\"" + not_mount},
      {handler(R"("/%61": {"Text": ""})"), "s:2: \"/%61\"" + not_mount},
      {"{\"AllowFunnel\": {\"a:443\": 1}}", "s:1: \"a:443\" is not true or false"},
      {"{\"AllowFunnel\": {\"1.2.3.4:443\": true}}",
       "s:1: \"1.2.3.4:443\" is not a host name and a port (node.example:443)"},
      {"{\"AllowFunnel\": {\"a:1\": true,\n\"A:1\": false}}", "s:2: a:1 stands here twice"},
      {"{\"Listen\": [\"127.0.0.1:0\"]}", "s:1: \"127.0.0.1:0\" is not an ip:port to listen on"},
      {"{\"Listen\": [\"1.2.3.4:5\",\n\"[::ffff:1.2.3.4]:5\"]}", "s:2: [::ffff:1.2.3.4]:5 stands here twice"},
      {"{\"Peers\": {}}", "s:1: \"Peers\" is not a list"},
      {"{\"Peers\": [{\"prefix\": \"::/0\", \"capabilities\": [\"root\"]}]}",
       "s:1: unknown capability \"root\" (there are relay, admin, ingress and connector:<app>)"},
      {R"({"Certificates": [{"Name": "a", "Cert": "c"}]})", "s:1: a certificate has no \"Key\""},
      {R"({"Certificates": [{"Name": "1.2.3.4", "Cert": "c", "Key": "k"}]})", "s:1: \"1.2.3.4\" is not a host name"},
      {R"({"Certificates": [{"Name": "a", "Cert": "c", "Key": "k"}, {"Name": "A", "Cert": "c", "Key": "k"}]})",
       "s:1: certificate \"a\" stands here twice"},
      {R"({"AcmeTLS": "acme.example:1"})",
       "s:1: \"acme.example:1\" has a host that is neither localhost nor an IP address; names are not looked up"},
      {R"({"AllowRemoteBackends": "yes"})", "s:1: \"AllowRemoteBackends\" is not true or false"},
  };
  for (const auto& [json, error] : cases) EXPECT_EQ(ErrorOf(json), error) << json;
}

TEST(ServeConfigTest, BackendsAreOnLoopbackUnlessConfigured) {
  const std::string remote = R"({"TCP": {"1": {
      "TCPForward": "198.18.0.1:5"}}, "AcmeTLS": "127.0.0.1:5")";
  EXPECT_EQ(ErrorOf(remote + "}"),
            "s:2: \"198.18.0.1:5\" is not on loopback; \"AllowRemoteBackends\": true would allow it");
  EXPECT_EQ(ErrorOf(remote + R"(, "AllowRemoteBackends": true})"), "");
  EXPECT_EQ(ErrorOf(R"({"AcmeTLS": "198.18.0.1:5"})"),
            "s:1: \"198.18.0.1:5\" is not on loopback; \"AllowRemoteBackends\": true would allow it");
  const std::string name = R"({"TCP": {"1": {"TCPForward": "db.example:5"}})";
  EXPECT_EQ(ErrorOf(name + "}"), ErrorOf(name + R"(, "AllowRemoteBackends": true})"));
  EXPECT_NE(ErrorOf(name + "}"), "");
}

TEST(ServeConfigTest, NoBackendIsAListenerOfOurs) {
  const auto proxy = [](std::string_view target, std::string_view more = "") {
    return ErrorOf(
        "{\"TCP\": {\"443\": {\"HTTPS\": true}}, \"Web\": {\"a:443\": {\"Handlers\": {\"/\": {\"Proxy\": \"" +
        std::string(target) + "\"}}}}" + std::string(more) + "}");
  };
  const std::string ours = ", a listener of funnel-node or relayd itself";
  EXPECT_EQ(proxy("9640"), "s:1: \"9640\" is 127.0.0.1:9640" + ours);
  EXPECT_EQ(proxy("https://[::ffff:127.0.0.1]:9640/a"),
            "s:1: \"https://[::ffff:127.0.0.1]:9640/a\" is 127.0.0.1:9640" + ours);
  EXPECT_EQ(proxy("127.0.0.2:9640"), "");
  EXPECT_EQ(proxy("127.0.0.2:9642"), "s:1: \"127.0.0.2:9642\" is 0.0.0.0:9642" + ours);
  EXPECT_EQ(proxy("[::1]:9642"), "s:1: \"[::1]:9642\" is 0.0.0.0:9642" + ours);
  EXPECT_EQ(proxy("9641"), "");
  EXPECT_EQ(proxy("9643", R"(, "Listen": ["[::]:9643"])"), "s:1: \"9643\" is [::]:9643" + ours);
  EXPECT_EQ(proxy("198.51.100.1:9642", R"(, "AllowRemoteBackends": true)"), "");
  EXPECT_EQ(proxy("198.19.0.7:9640", R"(, "AllowRemoteBackends": true, "Listen": ["198.19.0.7:9640"])"),
            "s:1: \"198.19.0.7:9640\" is 198.19.0.7:9640" + ours);
  EXPECT_EQ(ErrorOf(R"({"TCP": {"1": {"TCPForward": "localhost:9640"}}})"),
            "s:1: \"localhost:9640\" is 127.0.0.1:9640" + ours);
  EXPECT_EQ(ErrorOf(R"({"AcmeTLS": "localhost:9640"})"), "s:1: \"localhost:9640\" is 127.0.0.1:9640" + ours);
}

TEST(ServeConfigTest, TablesMayBeLong) {
  std::string allow = "{\"AllowFunnel\": {";
  for (int i = 0; i < 1024; ++i) allow += (i == 0 ? "\"n" : ",\"n") + std::to_string(i) + ".example:443\": true";
  EXPECT_EQ(Parsed(allow + "}}").allow_funnel.size(), 1024u);
  EXPECT_EQ(ErrorOf(allow + ",\"x:1\": true}}"), "s:1: an object has more than 1024 members");
}

TEST(ServeConfigTest, LoadsAFile) {
  const std::string path = testing::TempDir() + "/serve.json";
  std::ofstream(path) << R"({"Certificates": [{"Name": "a", "Cert": "c", "Key": "k"}]})";
  const auto config = ServeConfig::Load(path, {});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->certificates[0].cert, (std::filesystem::path(path).parent_path() / "c").string());
  std::ofstream(path) << std::string((4 << 20) + 1, ' ');
  EXPECT_EQ(ServeConfig::Load(path, {}).status().message(), path + ": larger than 4 MiB");
  std::remove(path.c_str());
  EXPECT_EQ(ServeConfig::Load(path, {}).status().message(), path + ": cannot be read: No such file or directory");
}

}  // namespace
}  // namespace ingress
