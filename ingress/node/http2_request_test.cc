#include "ingress/node/http2_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ingress {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

std::variant<RequestHead, int> Read(const HttpFields& fields, bool has_body = false) {
  Http2Request request;
  for (const auto& [name, value] : fields) EXPECT_TRUE(request.Add(name, value));
  return request.Finish(has_body);
}
int StatusOf(const HttpFields& fields) {
  const auto result = Read(fields);
  return std::holds_alternative<int>(result) ? std::get<int>(result) : 200;
}
HttpFields Get(const HttpFields& more = {}, const std::string& path = "/a?b") {
  HttpFields fields = {{":method", "GET"}, {":scheme", "https"}, {":path", path}};
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

TEST(Http2RequestTest, BecomesAnOrdinaryHead) {
  const auto result = Read({{":method", "POST"},
                            {":scheme", "https"},
                            {":authority", "node.example:8443"},
                            {":path", "/a?b"},
                            {"cookie", "a=1"},
                            {"x-one", "1"},
                            {"content-length", "7"},
                            {"te", "trailers"},
                            {"expect", "100-continue"},
                            {"proxy-authorization", "x"},
                            {"cookie", "b=2"}},
                           true);
  ASSERT_TRUE(std::holds_alternative<RequestHead>(result));
  const auto& head = std::get<RequestHead>(result);
  EXPECT_EQ(head.method, "POST");
  EXPECT_EQ(head.target, "/a?b");
  EXPECT_EQ(head.authority, "node.example:8443");
  EXPECT_THAT(head.fields, ElementsAre(Pair("x-one", "1"), Pair("cookie", "a=1; b=2")));
  EXPECT_EQ(head.content_length, 7u);
  EXPECT_TRUE(head.has_body && head.te_trailers && head.http2);
  EXPECT_FALSE(head.upgrade_websocket);
}

TEST(Http2RequestTest, TheAuthorityIsOne) {
  EXPECT_EQ(StatusOf(Get({{":authority", "a"}})), 200);
  EXPECT_EQ(StatusOf(Get({{":authority", "a"}, {"host", "A"}})), 200);
  EXPECT_EQ(StatusOf(Get({{":authority", "a"}, {"host", "b"}})), 400);
  EXPECT_EQ(StatusOf(Get({{":authority", "a"}, {"host", ""}})), 400);
  EXPECT_EQ(StatusOf(Get({{"host", "a"}, {"host", "a"}})), 400);
  EXPECT_EQ(StatusOf(Get()), 400);
  EXPECT_EQ(StatusOf(Get({{":authority", "a b"}})), 400);
  const auto host_alone = Read(Get({{"host", "a"}}));
  EXPECT_EQ(std::get<RequestHead>(host_alone).authority, "a");
}

TEST(Http2RequestTest, WhatIsNoOriginFormIsRefused) {
  for (const char* path : {"", "x", "http://a/", "/a b", "/a\tb", "/\x7f", "/#x", "/\xc3\xa4"}) {
    EXPECT_EQ(StatusOf(Get({{":authority", "a"}}, path)), 400) << path;
  }
  EXPECT_EQ(StatusOf(Get({{":authority", "a"}}, "*")), 200);
  EXPECT_EQ(StatusOf({{":method", "CONNECT"}, {":authority", "a:443"}}), 405);
}

TEST(Http2RequestTest, ALargeHeadIsRefusedAndAHugeOneIsNotReadOn) {
  Http2Request request;
  for (const auto& [name, value] : Get({{":authority", "a"}})) EXPECT_TRUE(request.Add(name, value));
  EXPECT_TRUE(request.Add("x", std::string(Http2Request::kMaxHead, 'x')));
  EXPECT_EQ(std::get<int>(request.Finish(false)), 431);
  size_t added = 0;
  while (request.Add("y", std::string(1000, 'y'))) added += 1000;
  EXPECT_LT(added, Http2Request::kMostRead);
}

TEST(Http2RequestTest, TrailersAreApart) {
  Http2Request request;
  for (const auto& [name, value] : Get({{":authority", "a"}})) request.Add(name, value);
  request.Finish(true);
  request.Add("x-sum", "1");
  request.Add("host", "evil");
  request.Add("content-length", "3");
  request.Add("x-forwarded-for", "192.0.2.1");
  EXPECT_THAT(request.TakeTrailers(), ElementsAre(Pair("x-sum", "1")));
  EXPECT_THAT(request.TakeTrailers(), IsEmpty());
}

TEST(Http2RequestTest, TrailersAreAllThereOrNone) {
  Http2Request request;
  for (const auto& [name, value] : Get({{":authority", "a"}})) request.Add(name, value);
  request.Finish(true);
  request.Add("x-sum", "1");
  request.Add("x-much", std::string(Http2Request::kMaxHead, 'a'));
  EXPECT_THAT(request.TakeTrailers(), IsEmpty());
}

}  // namespace
}  // namespace ingress
