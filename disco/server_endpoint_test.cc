#include "disco/server_endpoint.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/vectors.h"

namespace disco {
namespace {

using std::chrono::nanoseconds;
using test::Text;

const boost::json::value& Section(std::string_view name) { return test::Vectors().at("server_endpoint_json").at(name); }

PublicKey Key(std::string_view name) {
  return *PublicKey::Parse(Text(test::Vectors().at("keys").at("pairs").at(name).at("public_text")));
}

// Go writes a nil list as null and an empty one as []. A relay always has a list: an empty one is [].
std::string WithEmptyList(std::string json) {
  const size_t at = json.find("\"AddrPorts\":null");
  return at == json.npos ? json : json.replace(at, 16, "\"AddrPorts\":[]");
}

RelayEndpoint Typical() {
  return {.server_disco = Key("server"),
          .client_disco = {Key("client_a"), Key("client_b")},
          .lamport_id = 1,
          .vni = 1,
          .bind_lifetime = std::chrono::seconds(30),
          .steady_state_lifetime = std::chrono::minutes(5),
          .addr_ports = {*AddrPort::Parse("127.0.0.1:47777"), *AddrPort::Parse("[::1]:47777")}};
}

TEST(ServerEndpointTest, WritesAsGo) {
  RelayEndpoint no_list = Typical();
  no_list.addr_ports.clear();
  RelayEndpoint extremes = Typical();
  extremes.lamport_id = UINT64_MAX;
  extremes.vni = 0xFFFFFF;
  extremes.bind_lifetime = std::chrono::milliseconds(1500);
  extremes.steady_state_lifetime = nanoseconds(3'661'000'000'001);
  extremes.addr_ports = {*AddrPort::Parse("[::ffff:192.0.2.7]:80"), *AddrPort::Parse("[fe80::1]:65535"),
                         AddrPort::FromIpv4({}, 0)};
  const std::vector<RelayEndpoint> endpoints = {Typical(), no_list, no_list, extremes, RelayEndpoint{}};

  const boost::json::array& cases = Section("encode").as_array();
  ASSERT_EQ(cases.size(), endpoints.size());
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(Text(cases[i].at("name")));
    std::string expected = WithEmptyList(Text(cases[i].at("json")));
    // Our addresses are canonical: a mapped one is IPv4, and a zone is an interface's index, which we have none of
    // here.
    for (const auto& [go, ours] :
         {std::pair<std::string, std::string>{"[::ffff:192.0.2.7]", "192.0.2.7"}, {"%eth0", ""}}) {
      if (const size_t at = expected.find(go); at != expected.npos) expected.replace(at, go.size(), ours);
    }
    EXPECT_EQ(ServerEndpointToJson(endpoints[i]), expected);
    EXPECT_EQ(ServerEndpointToJson(endpoints[i]) + "\n", WithEmptyList(expected + "\n"));
  }
}

TEST(ServerEndpointTest, ReadsAsGo) {
  for (const boost::json::value& v : Section("decode").as_array()) {
    SCOPED_TRACE(Text(v.at("name")));
    const auto endpoint = ParseServerEndpoint(Text(v.at("input")));
    ASSERT_EQ(endpoint.ok(), !v.as_object().contains("error")) << endpoint.status();
    if (!endpoint.ok()) continue;
    EXPECT_EQ(ServerEndpointToJson(*endpoint), WithEmptyList(Text(v.at("remarshal"))));
  }
}

TEST(ServerEndpointTest, ReadsWhatItWrites) {
  EXPECT_EQ(*ParseServerEndpoint(ServerEndpointToJson(Typical())), Typical());
  EXPECT_EQ(*ParseServerEndpoint(" \n" + ServerEndpointToJson(Typical()) + "\n"), Typical());
  for (const boost::json::value& v : Section("encode").as_array()) {
    if (Text(v.at("name")) == "extremes") continue;  // Its zone is an interface of another machine.
    const auto endpoint = ParseServerEndpoint(Text(v.at("json")));
    ASSERT_TRUE(endpoint.ok());
    EXPECT_EQ(ServerEndpointToJson(*endpoint), WithEmptyList(Text(v.at("json"))));
  }
}

TEST(ServerEndpointTest, NullLeavesAFieldAsItIs) {
  EXPECT_EQ(*ParseServerEndpoint("null"), RelayEndpoint{});
  EXPECT_EQ(*ParseServerEndpoint(R"({"VNI":null,"ServerDisco":null,"ClientDisco":[null],"AddrPorts":null})"),
            RelayEndpoint{});
}

TEST(ServerEndpointTest, NumbersReachTheirLimits) {
  EXPECT_EQ(ParseServerEndpoint(R"({"LamportID":18446744073709551615,"VNI":4294967295})")->lamport_id, UINT64_MAX);
  for (const char* const json : {R"({"LamportID":18446744073709551616})", R"({"LamportID":-1})", R"({"VNI":-1})",
                                 R"({"VNI":1.5})", R"({"VNI":1e2})", R"({"VNI":"1"})", R"({"VNI":true})"}) {
    EXPECT_FALSE(ParseServerEndpoint(json).ok()) << json;
  }
}

TEST(ServerEndpointTest, WrongTypesAreErrorsOfOneLine) {
  for (const char* const json :
       {R"([])", R"("x")", R"(1)", R"({"ServerDisco":1})", R"({"ClientDisco":{}})", R"({"ClientDisco":[1]})",
        R"({"AddrPorts":"127.0.0.1:1"})", R"({"AddrPorts":[1]})", R"({"AddrPorts":["127.0.0.1:1\n"]})",
        R"({"BindLifetime":"30"})", R"({"BindLifetime":""})", R"({"SteadyStateLifetime":[]})", R"({)", R"({} x)", "",
        "\xff"}) {
    const auto endpoint = ParseServerEndpoint(json);
    ASSERT_FALSE(endpoint.ok()) << json;
    const std::string message(endpoint.status().message());
    EXPECT_FALSE(message.empty());
    EXPECT_EQ(message.find('\n'), message.npos);
  }
}

TEST(AllocateRequestTest, WritesAsGo) {
  EXPECT_EQ(AllocateRequestToJson({Key("client_a"), Key("client_b")}), Text(Section("allocate_request_json")));
}

TEST(AllocateRequestTest, ReadsTheTwoKeysInTheirOrder) {
  const std::array<PublicKey, 2> keys = {Key("client_b"), Key("client_a")};
  const std::string a = '"' + Key("client_a").ToString() + '"';
  const std::string b = '"' + Key("client_b").ToString() + '"';
  EXPECT_EQ(ParseAllocateRequest(Text(Section("allocate_request_http_body"))).value(),
            (std::array<PublicKey, 2>{Key("client_a"), Key("client_b")}));
  for (const std::string& json :
       {AllocateRequestToJson(keys), "\n{ \"discokeys\" : [ " + b + " ,\t" + a + "] }\r\n",
        R"({"Other":[{"deep":[{}]}],"DISCOKEYS":[)" + b + "," + a + R"(],"x":null})",
        R"({"DiscoKeys":[)" + b + "," + a + R"(],"x":)" + std::string(40, '[') + std::string(40, ']') + "}",
        R"({"DiscoKeys":null,"DiscoKeys":[)" + b + "," + a + "]}"}) {
    const auto parsed = ParseAllocateRequest(json);
    ASSERT_TRUE(parsed.ok()) << json << parsed.status();
    EXPECT_EQ(*parsed, keys) << json;
  }
}

TEST(AllocateRequestTest, AnythingElseIsAnErrorOfOneLine) {
  const std::string key = '"' + Key("client_a").ToString() + '"';
  const std::string zero_short = "\"discokey:00\"";
  for (const std::string& json :
       {std::string(),
        std::string("null"),
        std::string("{}"),
        std::string("[]"),
        std::string("{"),
        "[" + key + "," + key + "]",
        std::string(R"({"DiscoKeys":null})"),
        std::string(R"({"DiscoKeys":{}})"),
        std::string(R"({"DiscoKeys":[]})"),
        R"({"DiscoKeys":)" + key + "}",
        R"({"DiscoKeys":[)" + key + "]}",
        R"({"DiscoKeys":[)" + key + "," + key + "," + key + "]}",
        R"({"DiscoKeys":[)" + key + ",null]}",
        R"({"DiscoKeys":[)" + key + ",7]}",
        R"({"DiscoKeys":[)" + key + "," + zero_short + "]}",
        R"({"DiscoKeys":[)" + key + ",[" + key + "]]}",
        R"({"DiscoKeys":[)" + key + "," + key + ",]}",
        AllocateRequestToJson({}) + "x",
        AllocateRequestToJson({}) + AllocateRequestToJson({}),
        R"({"DiscoKeys":[)" + key + "," + key + R"(],"x":)" + std::string(500, '[') + std::string(500, ']') + "}",
        std::string(100'000, '['),
        R"({"DiscoKeys":[")" + std::string(70, '\n') + R"(",")" + std::string(70, 'x') + "\"]}"}) {
    const auto parsed = ParseAllocateRequest(json);
    ASSERT_FALSE(parsed.ok()) << json.substr(0, 300);
    const std::string message(parsed.status().message());
    EXPECT_FALSE(message.empty());
    EXPECT_EQ(message.find('\n'), message.npos);
  }
}

}  // namespace
}  // namespace disco
