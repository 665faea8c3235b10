#include <gtest/gtest.h>

#include "ingress/node/serve_config.h"

namespace ingress {
namespace {

ServeConfig ConfigOf(std::string_view json) {
  auto config = ServeConfig::Parse(json, "/etc/s", {});
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *std::move(config) : ServeConfig{};
}

constexpr std::string_view kConfig = R"({
  "TCP": {"443": {"HTTPS": true}, "8443": {"HTTPS": true}, "5432": {"TCPForward": "localhost:5432", "TerminateTLS": "db.x"},
          "22": {"TCPForward": "127.0.0.1:22"}, "23": {"TCPForward": "127.0.0.1:23"}},
  "Web": {"node.x:443": {"Handlers": {"/": {"Proxy": "3000"}, "/hi": {"Text": "one\ntwo"}, "/dir": {"Path": "d"}}},
          "node.x:8443": {"Handlers": {"/": {"Redirect": "https://node.x/"}, "/old": {"Redirect": "308:/new"},
            "/long": {"Text": "012345678901234567890123456789é and more"}}},
          "*.x:443": {"Handlers": {"/": {"Text": ""}}}},
  "AllowFunnel": {"node.x:443": true, "node.x:8443": false, "wild.x:443": true, "db.x:5432": true, "ssh.x:22": true},
  "Certificates": [{"Name": "node.x", "Cert": "c", "Key": "k"}, {"Name": "*.x", "Cert": "c", "Key": "k"}]
})";

TEST(ServeStatusTest, SaysWhatUsersKnow) {
  const StatusText status = FormatStatus(ConfigOf(kConfig));
  EXPECT_EQ(status.out, R"(https://*.x (Funnel off)
|-- / text ""

https://node.x (Funnel on)
|-- / proxy http://127.0.0.1:3000
|-- /dir path /etc/d
|-- /hi text "one two"

https://node.x:8443 (Funnel off)
|-- / redirect https://node.x/
|-- /long text "012345678901234567890123456789é..."
|-- /old redirect 308:/new

https://wild.x (Funnel on)
|-- / text ""

tcp://ssh.x:22 (TLS passed through, Funnel on)
|--> 127.0.0.1:22

tcp://*:23 (TLS passed through, Funnel off)
|--> 127.0.0.1:23

tcp://db.x:5432 (TLS terminated, Funnel on)
|--> localhost:5432
)");
  EXPECT_EQ(status.warnings, "");
}

TEST(ServeStatusTest, WarnsOfWhatLeadsNowhere) {
  const StatusText status = FormatStatus(ConfigOf(R"({
      "TCP": {"443": {"HTTPS": true}, "444": {"HTTPS": true}, "5432": {"TCPForward": "localhost:5432", "TerminateTLS": "db.x"}},
      "Web": {"a.x:443": {"Handlers": {"/": {"Text": ""}}}},
      "AllowFunnel": {"a.x:443": true, "b.x:443": true, "c.x:443": false, "a.x:444": true, "a.x:80": true, "a.x:5432": true,
                      "*.x:443": true, "*.y:443": true, "*.x:5432": true, "*.y:5432": true}})"));
  EXPECT_EQ(status.warnings,
            "Warning: funnel=on for *.y:443, but no serve config\n"
            "Warning: funnel=on for *.y:5432, but no serve config\n"
            "Warning: funnel=on for a.x:80, but no serve config\n"
            "Warning: funnel=on for a.x:444, but no serve config\n"
            "Warning: funnel=on for a.x:5432, but no serve config\n"
            "Warning: funnel=on for b.x:443, but no serve config\n"
            "Warning: HTTPS on port 444, but no Web entry\n"
            "Warning: no certificate for a.x\n"
            "Warning: no certificate for db.x\n");
}

TEST(ServeStatusTest, NothingToServe) {
  EXPECT_EQ(FormatStatus({}).out, "No serve config\n");
  const StatusText status = FormatStatus(ConfigOf(R"({"AllowFunnel": {"node.x:443": true}})"));
  EXPECT_EQ(status.out, "No serve config\n");
  EXPECT_EQ(status.warnings, "Warning: funnel=on for node.x:443, but no serve config\n");
  EXPECT_EQ(FormatStatusJson({}), "{\"TCP\":{},\"Web\":{},\"AllowFunnel\":{},\"Warnings\":[]}\n");
}

TEST(ServeStatusTest, JsonHasTheConfigsOwnFields) {
  EXPECT_EQ(
      FormatStatusJson(ConfigOf(R"({
      "TCP": {"443": {"HTTPS": true}, "5432": {"TCPForward": "localhost:5432", "TerminateTLS": "db.x", "ProxyProtocol": 1}},
      "Web": {"a.x:443": {"Handlers": {"/": {"Proxy": "3000"}, "/t": {"Text": "\"\n"}, "/p": {"Path": "/p"},
        "/r": {"Redirect": "/x"}}}},
      "AllowFunnel": {"a.x:443": true, "b.x:1": false},
      "Certificates": [{"Name": "*.x", "Cert": "c", "Key": "k"}]})")),
      R"({"TCP":{"443":{"HTTPS":true},"5432":{"TCPForward":"localhost:5432","TerminateTLS":"db.x","ProxyProtocol":1}},)"
      R"("Web":{"a.x:443":{"Handlers":{"/":{"Proxy":"http://127.0.0.1:3000"},"/p":{"Path":"/p"},)"
      R"("/r":{"Redirect":"302:/x"},"/t":{"Text":"\"\n"}}}},)"
      R"("AllowFunnel":{"a.x:443":true,"b.x:1":false},"Warnings":[]})"
      "\n");
}

}  // namespace
}  // namespace ingress
