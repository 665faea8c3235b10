#include "ingress/node/ingress_request.h"

#include <gtest/gtest.h>

namespace ingress {
namespace {

using Field = relay::HttpRequest::Field;

// node.example:443 is on and served; off.example:443 is served; bare.example:443 is on.
struct Targets : IngressTargets {
  bool installed = true;
  bool AnythingInstalled() const override { return installed; }
  bool IsAllowed(const HostPort& t) const override { return t.host != "off.example"; }
  bool Serves(const HostPort& t) const override { return t.host != "bare.example" && t.port == 443; }
};

// `STATUS line`, or `SOURCE TARGET`.
std::string Answer(const relay::HttpRequest& request, const Targets& targets = {}) {
  const auto checked = CheckIngress(request, targets);
  if (const auto* refusal = std::get_if<IngressRefusal>(&checked)) {
    return std::to_string(refusal->status) + " " + std::string(refusal->line);
  }
  const auto& accepted = std::get<IngressRequest>(checked);
  return accepted.source.ToString() + " " + accepted.target.ToString();
}

relay::HttpRequest Post(std::vector<Field> fields) {
  relay::HttpRequest request;
  request.method = "POST";
  request.target = "/v0/ingress";
  request.fields = std::move(fields);
  return request;
}

constexpr Field kSrc = {"Tailscale-Ingress-Src", "203.0.113.9:5000"};
constexpr Field kTo = {"Tailscale-Ingress-Target", "node.example:443"};
constexpr std::string_view kNotPost = "405 only POST allowed";
constexpr std::string_view kNoSrc = "400 Tailscale-Ingress-Src header not set";
constexpr std::string_view kBadSrc = "400 Tailscale-Ingress-Src header invalid; want ip:port";
constexpr std::string_view kNoTo = "400 Tailscale-Ingress-Target header not set";
constexpr std::string_view kBadTo = "400 Tailscale-Ingress-Target header invalid; want host:port";
constexpr std::string_view kBody = "400 body not allowed";

TEST(IngressRequestTest, TakesWhatTheFrontendSends) {
  EXPECT_EQ(Answer(Post({{"Host", "198.19.0.7:9640"}, kSrc, kTo, {"Content-Length", "0"}})),
            "203.0.113.9:5000 node.example:443");
  EXPECT_EQ(Answer(Post({{"tailscale-ingress-SRC", "[2001:db8::1]:1"}, kTo})), "[2001:db8::1]:1 node.example:443");
}

// Each row is wrong in what is said and in all that is checked after it.
TEST(IngressRequestTest, TheFirstFailingCheckAnswers) {
  const Field body = {"Content-Length", "5"};
  const Field bad_src = {kSrc.name, "nobody"}, bad_to = {kTo.name, "nowhere"}, denied = {kTo.name, "off.example:443"};
  relay::HttpRequest get = Post({bad_src, bad_to, body});
  get.method = "GET";
  Targets nothing;
  nothing.installed = false;
  EXPECT_EQ(Answer(get, nothing), "404 unsupported peerapi path");
  EXPECT_EQ(Answer(get), kNotPost);
  EXPECT_EQ(Answer(Post({bad_to, body})), kNoSrc);
  EXPECT_EQ(Answer(Post({bad_src, bad_to, body})), kBadSrc);
  EXPECT_EQ(Answer(Post({kSrc, body})), kNoTo);
  EXPECT_EQ(Answer(Post({kSrc, bad_to, body})), kBadTo);
  EXPECT_EQ(Answer(Post({kSrc, denied, body})), kBody);
  EXPECT_EQ(Answer(Post({kSrc, {kTo.name, "node.example:https"}, body})), kBody);
  EXPECT_EQ(Answer(Post({kSrc, denied})), "403 denied");
}

TEST(IngressRequestTest, Methods) {
  for (const std::string_view method : {"GET", "PUT", "post", "POST ", "", "CONNECT"}) {
    relay::HttpRequest request = Post({kSrc, kTo});
    request.method = method;
    EXPECT_EQ(Answer(request), kNotPost) << method;
  }
}

TEST(IngressRequestTest, Sources) {
  const std::pair<std::string_view, std::string_view> good[] = {{"[::ffff:203.0.113.9]:1", "203.0.113.9:1"},
                                                                {"[fe80::1%eth9]:1", "[fe80::1]:1"},
                                                                {"[fe80::1%4]:1", "[fe80::1]:1"}};
  for (const auto& [value, source] : good) {
    EXPECT_EQ(Answer(Post({{kSrc.name, value}, kTo})), std::string(source) + " node.example:443");
  }
  EXPECT_EQ(Answer(Post({{kSrc.name, ""}, kTo})), kNoSrc);
  for (const std::string_view bad :
       {"203.0.113.9", "203.0.113.9:", "203.0.113.9:65536", "203.0.113.9:x", "name.example:1", "::1:1", "[::1]",
        "[::1%]:1", "%[::1]:1", "]%", ":1", "203.0.113.9:1, 203.0.113.9:2", "203.0.113.09:1x"}) {
    EXPECT_EQ(Answer(Post({{kSrc.name, bad}, kTo})), kBadSrc) << bad;
  }
  EXPECT_EQ(Answer(Post({kSrc, kSrc, kTo})), kBadSrc);
  EXPECT_EQ(Answer(Post({{kSrc.name, ""}, kSrc, kTo})), kBadSrc);
}

TEST(IngressRequestTest, Targets) {
  EXPECT_EQ(Answer(Post({kSrc, {kTo.name, "Node.Example.:443"}})), "203.0.113.9:5000 node.example:443");
  EXPECT_EQ(Answer(Post({kSrc, {kTo.name, ""}})), kNoTo);
  for (const std::string_view bad :
       {"node.example", "443", "::1:443", "a:b:443", "[::1]443", "[::1:443", "::1]:443", "[[::1]]:443", "a[b]:443"}) {
    EXPECT_EQ(Answer(Post({kSrc, {kTo.name, bad}})), kBadTo) << bad;
  }
  EXPECT_EQ(Answer(Post({kSrc, kTo, kTo})), kBadTo);
  for (const std::string_view denied :
       {"node.example:https", "node.example:", "node.example:0", "node.example:65536", "node.example:-1",
        "node.example:8443", "off.example:443", "bare.example:443", ":443", "*.example:443", "198.18.0.1:443",
        "[::1]:443", "a b:443", "node..example:443"}) {
    EXPECT_EQ(Answer(Post({kSrc, {kTo.name, denied}})), "403 denied") << denied;
  }
}

TEST(IngressRequestTest, Bodies) {
  for (const Field& field : {Field{"Content-Length", "1"},
                             {"content-length", "x"},
                             {"Transfer-Encoding", "chunked"},
                             {"transfer-encoding", "identity"}}) {
    EXPECT_EQ(Answer(Post({kSrc, kTo, field})), kBody) << field.name << ": " << field.value;
  }
  relay::HttpRequest request = Post({kSrc, kTo});
  request.body_too_big = true;
  EXPECT_EQ(Answer(request), kBody);
  request.body_too_big = false;
  request.body = "x";
  EXPECT_EQ(Answer(request), kBody);
}

}  // namespace
}  // namespace ingress
