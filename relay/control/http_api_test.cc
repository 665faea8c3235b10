// What the routes answer, and to whom.
#include "relay/control/http_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "disco/key.h"
#include "relay/control/http_test_server.h"
#include "relay/control/text.h"

namespace relay {
namespace {

using testing::HasSubstr;

// SHA-256 of "s3cret".
constexpr std::string_view kSecretSha256 = "1ec1c26b50d5d3c58d9583181af8076655fe00756bf7285940ba3670f99fcba0";

class HttpApiTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { disco::InitCrypto(); }
};

TEST_F(HttpApiTest, AnAllocationAnswersAServerEndpoint) {
  TestServer server;
  const std::string response = server.Allocate(AllocateBody(1, 2));
  EXPECT_EQ(StatusOf(response), 200);
  EXPECT_EQ(HeaderOf(response, "Content-Type"), "application/json");
  const std::string body = BodyOf(response);
  EXPECT_TRUE(body.ends_with("}\n"));
  const boost::json::value json = boost::json::parse(body);
  EXPECT_EQ(json.at("VNI"), 1);
  EXPECT_EQ(json.at("LamportID"), 1);
  EXPECT_EQ(json.at("BindLifetime"), "30s");
  EXPECT_EQ(json.at("SteadyStateLifetime"), "5m0s");
  EXPECT_EQ(json.at("AddrPorts"), boost::json::parse(R"(["192.0.2.1:40000"])"));
  EXPECT_EQ(json.at("ServerDisco").as_string(), server.allocator().server_key().ToString());
  EXPECT_EQ(BodyOf(server.Allocate(AllocateBody(2, 1))), body);
  EXPECT_EQ(server.allocator().results(AllocationResult::kCreated), 1u);
  EXPECT_EQ(server.allocator().results(AllocationResult::kExisting), 1u);
}

TEST_F(HttpApiTest, BadBodiesAreRefusedAndCounted) {
  TestServer server;
  const std::string zero = "discokey:" + std::string(64, '0');
  const std::string good = "discokey:" + std::string(64, '4');
  const std::vector<std::string> bodies = {"",
                                           "{",
                                           "[]",
                                           "{}",
                                           R"({"DiscoKeys":[]})",
                                           R"({"DiscoKeys":[")" + good + R"("]})",
                                           R"({"DiscoKeys":[")" + good + R"(",")" + good + R"("]})",
                                           R"({"DiscoKeys":[")" + good + R"(",")" + zero + R"("]})",
                                           R"({"DiscoKeys":[")" + good + R"(","nodekey:44"]})",
                                           AllocateBody(1, 2) + "x"};
  for (const std::string& body : bodies) {
    const std::string response = server.Allocate(body);
    EXPECT_EQ(StatusOf(response), 400) << body;
    EXPECT_TRUE(HeaderOf(response, "Content-Type").starts_with("text/plain"));
    const std::string line = BodyOf(response);
    EXPECT_EQ(line.find('\n'), line.size() - 1) << line;
  }
  EXPECT_EQ(server.allocator().results(AllocationResult::kInvalid), bodies.size());
}

TEST_F(HttpApiTest, RefusalsComeInTheirOrder) {
  TestServer open;
  TestServer closed({.policy = PolicyOf("{}")});
  const std::string big(5000, 'x');
  struct Case {
    const TestServer& server;
    std::string_view method, target, headers, body;
    int status;
    std::string_view line;
  };
  const Case cases[] = {
      {closed, "PUT", "/nowhere", "Origin: http://evil.example\r\n", big, 403, "invalid peerapi request\n"},
      {closed, "PUT", "/nowhere", "", big, 404, "unsupported peerapi path\n"},
      {closed, "PUT", "/v0/relay/endpoint", "", big, 403, "relay not permitted\n"},
      {closed, "GET", "/v0/relay/sessions", "", "", 403, "admin not permitted\n"},
      {open, "PUT", "/v0/relay/endpoint", "", big, 405, "only POST allowed\n"},
      {open, "POST", "/v0/relay/sessions", "", big, 405, "only GET allowed\n"},
      {open, "POST", "/v0/relay/endpoint", "", big, 413, "request body over 4096 bytes\n"},
      {closed, "GET", "/healthz", "Origin: http://evil.example\r\n", "", 200, "ok\n"},
      {closed, "GET", "/readyz", "Referer: http://evil.example\r\n", "", 200, "ready\n"},
      {open, "POST", "/healthz", "", "", 405, "only GET allowed\n"},
      {open, "GET", "/v0/relay/sessions/", "", "", 404, "unsupported peerapi path\n"},
      {open, "POST", "/v0/ingress", "", "", 404, "unsupported peerapi path\n"},
  };
  for (const Case& c : cases) {
    const std::string response = c.server.Request(c.method, c.target, c.headers, c.body);
    EXPECT_EQ(StatusOf(response), c.status) << c.method << ' ' << c.target;
    EXPECT_EQ(BodyOf(response), c.line) << c.method << ' ' << c.target;
  }
  EXPECT_EQ(HeaderOf(open.Request("PUT", "/v0/relay/endpoint"), "Allow"), "POST");
  EXPECT_EQ(HeaderOf(open.Request("DELETE", "/v0/relay/sessions"), "Allow"), "GET, HEAD");
  EXPECT_EQ(closed.allocator().results(AllocationResult::kForbidden), 1u);
}

TEST_F(HttpApiTest, OnlyOurHostIsServed) {
  TestServer server({.api_hosts = {"relay.example"}});
  const auto with_host = [&](std::string_view hosts, std::string_view target = "/v0/relay/sessions") {
    RawClient client = server.Connect();
    client.Send(text::Cat("GET ", target, " HTTP/1.1\r\n", hosts, "\r\n"));
    return StatusOf(client.ReadResponse());
  };
  EXPECT_EQ(with_host("Host: 127.0.0.1\r\n"), 200);
  EXPECT_EQ(with_host("Host: LocalHost:9640\r\n"), 200);
  EXPECT_EQ(with_host("Host: peer\r\n"), 200);
  EXPECT_EQ(with_host("Host: relay.example:443\r\n"), 200);
  EXPECT_EQ(with_host("Host: evil.example\r\n"), 403);
  EXPECT_EQ(with_host("Host: 127.0.0.2\r\n"), 403);
  EXPECT_EQ(with_host("Host:\r\n"), 403);
  EXPECT_EQ(with_host(""), 400);
  EXPECT_EQ(with_host("Host: peer\r\nHost: evil.example\r\n"), 400);
  EXPECT_EQ(with_host("Host: peer\r\n", "http://evil.example/v0/relay/sessions"), 403);
  EXPECT_EQ(with_host("Host: peer\r\n", "http://localhost/v0/relay/sessions"), 200);
  EXPECT_EQ(with_host("Host: evil.example\r\n", "/healthz"), 200);
}

TEST_F(HttpApiTest, AnAbsoluteTargetNamesAHostOnce) {
  TestServer server;
  for (const std::string_view target :
       {"http:///v0/relay/sessions", "https://?limit=1", "HTTP://", "http:///healthz", "http://https://peer/healthz"}) {
    const int status = StatusOf(server.Request("GET", target));
    EXPECT_EQ(status, target == "http://https://peer/healthz" ? 403 : 400) << target;
  }
  EXPECT_EQ(StatusOf(server.Request("GET", "http://peer/v0/relay/sessions?limit=1")), 200);
}

TEST_F(HttpApiTest, WithoutAPolicyNothingThatAProxyPassedOnIsServed) {
  TestServer server;
  for (const std::string_view name : {"Forwarded", "x-forwarded-for", "Via", "Tailscale-Funnel-Request"}) {
    const std::string response = server.Allocate(AllocateBody(1, 2), text::Cat(name, ": 1\r\n"));
    EXPECT_EQ(StatusOf(response), 403) << name;
    EXPECT_EQ(BodyOf(response), "relay not permitted\n");
  }
  TestServer with_policy({.policy = PolicyOf(R"({"peers":[{"prefix":"127.0.0.0/8","capabilities":["relay"]}]})")});
  EXPECT_EQ(StatusOf(with_policy.Allocate(AllocateBody(1, 2), "Via: 1\r\n")), 200);
}

TEST_F(HttpApiTest, ATokenAddsItsCapabilitiesAndPaysTheQuota) {
  const std::string policy = text::Cat(R"({"peers":[{"prefix":"127.0.0.1/32","capabilities":["relay"]}],
      "tokens":[{"name":"alice","sha256":")",
                                       kSecretSha256, R"(","capabilities":["admin","relay"]}]})");
  TestServer server({.policy = PolicyOf(policy), .allocator = {.caller_unbound_limit = 1}});
  EXPECT_EQ(StatusOf(server.Request("GET", "/v0/relay/sessions")), 403);
  EXPECT_EQ(StatusOf(server.Request("GET", "/v0/relay/sessions", "Authorization: Bearer wrong\r\n")), 403);
  EXPECT_EQ(StatusOf(server.Request("GET", "/v0/relay/sessions", "Authorization: bearer s3cret\r\n")), 200);
  EXPECT_EQ(StatusOf(server.Allocate(AllocateBody(1, 2))), 200);
  const std::string quota = server.Allocate(AllocateBody(3, 4));
  EXPECT_EQ(StatusOf(quota), 503);
  EXPECT_EQ(HeaderOf(quota, "Retry-After"), "3");
  EXPECT_EQ(StatusOf(server.Allocate(AllocateBody(3, 4), "Authorization: Bearer s3cret\r\n")), 200);
  EXPECT_EQ(server.allocator().results(AllocationResult::kQuota), 1u);
}

TEST_F(HttpApiTest, TheExamplePolicyIsGoodAndItsWellKnownTokenMayDoNothing) {
  const absl::StatusOr<Policy> policy = Policy::Load(RELAYD_SOURCE_DIR "/deploy/policy.json");
  ASSERT_TRUE(policy.ok()) << policy.status();
  const Grant stranger = policy->Find(AddrPort::FromIpv4({203, 0, 113, 1}, 1), "example-token");
  EXPECT_EQ(stranger.token_name, "example");
  EXPECT_FALSE(stranger.Has(Capability::kRelay));
  EXPECT_FALSE(stranger.Has(Capability::kAdmin));
  EXPECT_TRUE(policy->Find(AddrPort::FromIpv4({127, 0, 0, 1}, 1), "").Has(Capability::kAdmin));
}

TEST_F(HttpApiTest, ATokenNamedLikeASourceHasItsOwnAccount) {
  const std::string policy = text::Cat(R"({"peers":[{"prefix":"127.0.0.1/32","capabilities":["relay"]}],
      "tokens":[{"name":"127.0.0.1/32","sha256":")",
                                       kSecretSha256, R"(","capabilities":["relay"]}]})");
  TestServer server({.policy = PolicyOf(policy), .allocator = {.caller_unbound_limit = 1}});
  EXPECT_EQ(StatusOf(server.Allocate(AllocateBody(1, 2), "Authorization: Bearer s3cret\r\n")), 200);
  EXPECT_EQ(StatusOf(server.Allocate(AllocateBody(3, 4))), 200);
  EXPECT_EQ(StatusOf(server.Allocate(AllocateBody(5, 6))), 503);
}

TEST_F(HttpApiTest, RefusedKeysAre400WhetherReadyOrNot) {
  TestServer server;
  const std::string good = "discokey:" + std::string(64, '4');
  const std::vector<std::string> refused = {"discokey:" + std::string(64, '0'), good,
                                            "discokey:01" + std::string(62, '0'),  // A point of order four.
                                            server.allocator().server_key().ToString()};
  const auto all_are_refused = [&] {
    for (const std::string& key : refused) {
      const std::string body = R"({"DiscoKeys":[")" + good + R"(",")" + key + R"("]})";
      EXPECT_EQ(StatusOf(server.Allocate(body)), 400) << key;
    }
  };
  all_are_refused();
  server.OnControl([&] { server.api().SetAddrPorts({}); });
  all_are_refused();
  server.OnControl([&] { server.api().SetDraining(); });
  all_are_refused();
  EXPECT_EQ(server.allocator().results(AllocationResult::kInvalid), 3 * refused.size());
  EXPECT_EQ(server.allocator().results(AllocationResult::kNotReady), 0u);
  EXPECT_EQ(server.allocator().results(AllocationResult::kDraining), 0u);
}

TEST_F(HttpApiTest, NotReadyAndDrainingAnswer503ButBadBodiesStay400) {
  TestServer server({.addr_ports = {}});
  EXPECT_EQ(StatusOf(server.Request("GET", "/readyz")), 503);
  EXPECT_EQ(StatusOf(server.Request("GET", "/healthz")), 200);
  EXPECT_EQ(StatusOf(server.Allocate(AllocateBody(1, 2))), 503);
  EXPECT_EQ(StatusOf(server.Allocate("{}")), 400);
  server.OnControl([&] {
    server.api().SetAddrPorts({AddrPort::FromIpv4({192, 0, 2, 1}, 1)});
    server.api().SetDraining();
  });
  const std::string draining = server.Request("GET", "/readyz");
  EXPECT_EQ(StatusOf(draining), 503);
  EXPECT_EQ(BodyOf(draining), "draining\n");
  EXPECT_EQ(HeaderOf(draining, "Retry-After"), "3");
  EXPECT_EQ(StatusOf(server.Allocate(AllocateBody(1, 2))), 503);
  EXPECT_EQ(server.allocator().results(AllocationResult::kNotReady), 1u);
  EXPECT_EQ(server.allocator().results(AllocationResult::kDraining), 1u);
}

TEST_F(HttpApiTest, AFullTableAnswers503) {
  TestServer server({.max_endpoints = 1});
  EXPECT_EQ(StatusOf(server.Allocate(AllocateBody(1, 2))), 200);
  const std::string full = server.Allocate(AllocateBody(3, 4));
  EXPECT_EQ(StatusOf(full), 503);
  EXPECT_EQ(HeaderOf(full, "Retry-After"), "3");
  EXPECT_EQ(server.allocator().results(AllocationResult::kFull), 1u);
}

TEST_F(HttpApiTest, SessionsInPages) {
  TestServer server;
  EXPECT_EQ(BodyOf(server.Request("GET", "/v0/relay/sessions")), "{\"UDPPort\":40000,\"Sessions\":[]}\n");
  constexpr int kSessions = 600;  // More than two steps.
  for (int i = 0; i < kSessions; ++i) {
    const std::string body = AllocateBody(static_cast<uint8_t>(i % 200), static_cast<uint8_t>(200 + i / 200));
    ASSERT_EQ(StatusOf(server.Allocate(body)), 200);
  }
  const auto page = [&](std::string_view query) {
    return boost::json::parse(BodyOf(server.Request("GET", text::Cat("/v0/relay/sessions", query))))
        .at("Sessions")
        .as_array();
  };
  const boost::json::array all = page("");
  ASSERT_EQ(all.size(), kSessions);
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i].at("VNI"), i + 1);
  EXPECT_EQ(page("?after=598").size(), 2u);
  EXPECT_EQ(page("?after=600").size(), 0u);
  EXPECT_EQ(page("?after=4294967295").size(), 0u);
  EXPECT_EQ(page("?limit=7&after=10").at(0).at("VNI"), 11);
  EXPECT_EQ(page("?limit=7&after=10").size(), 7u);
  EXPECT_EQ(page("?limit=4000000000").size(), kSessions);
  for (const std::string_view query : {"?limit=0", "?limit=x", "?after=-1", "?after=", "?limit=99999999999"}) {
    EXPECT_EQ(StatusOf(server.Request("GET", text::Cat("/v0/relay/sessions", query))), 400) << query;
  }
}

TEST_F(HttpApiTest, ASessionIsExactAndTheLowerKeyIsClient1) {
  TestServer server;
  ASSERT_EQ(StatusOf(server.Allocate(AllocateBody(9, 3))), 200);
  server.OnControl([&] {
    Endpoint& endpoint = *server.table().Find(1);
    Path path;
    path.remote = AddrPort::Parse("[2001:db8::5]:51820").value();
    server.table().Bind(endpoint, 1, path);
    endpoint.flow[1].owner_packets = 3;
    endpoint.activity(1).other_packets = 4;
    endpoint.flow[1].owner_bytes = uint64_t{1} << 60;
    endpoint.activity(1).other_bytes = 1;
  });
  EXPECT_EQ(BodyOf(server.Request("GET", "/v0/relay/sessions")),
            "{\"UDPPort\":40000,\"Sessions\":[{\"VNI\":1,"
            "\"Client1\":{\"Endpoint\":\"\",\"ShortDisco\":\"d:0342424242424242\",\"PacketsTx\":0,\"BytesTx\":0},"
            "\"Client2\":{\"Endpoint\":\"[2001:db8::5]:51820\",\"ShortDisco\":\"d:0942424242424242\",\"PacketsTx\":7,"
            "\"BytesTx\":1152921504606846977}}]}\n");
}

TEST_F(HttpApiTest, HeadHasNoBody) {
  TestServer server;
  RawClient client = server.Connect();
  client.Send("HEAD /healthz HTTP/1.1\r\nHost: peer\r\n\r\nGET /healthz HTTP/1.1\r\nHost: peer\r\n\r\n");
  const std::string head = client.ReadHead();
  EXPECT_EQ(StatusOf(head), 200);
  EXPECT_EQ(HeaderOf(head, "Content-Length"), "3");
  EXPECT_EQ(BodyOf(client.ReadResponse()), "ok\n");
}

}  // namespace
}  // namespace relay
