#include "ingress/node/backend_request.h"

#include <gtest/gtest.h>

namespace ingress {
namespace {

std::string SendAll(BackendRequest& request) {
  std::string sent;
  while (!request.Pending().empty()) {
    sent += request.Pending();
    request.Sent(request.Pending().size());
  }
  return sent;
}

RequestHead Head(std::string method) {
  RequestHead head;
  head.method = std::move(method);
  head.target = "/a?b";
  head.authority = "node.example:8443";
  head.fields = {{"X-One", "1"}, {"x-two", ""}};
  return head;
}

constexpr std::string_view kFields = " /a?b HTTP/1.1\r\nHost: node.example:8443\r\nX-One: 1\r\nx-two: \r\n";

TEST(BackendRequestTest, WithoutABody) {
  BackendRequest get(Head("GET"));
  EXPECT_TRUE(get.valid());
  EXPECT_FALSE(get.all_sent());
  EXPECT_EQ(SendAll(get), "GET" + std::string(kFields) + "\r\n");
  EXPECT_TRUE(get.all_sent());
  EXPECT_TRUE(get.is_repeatable());
  get.Rewind();
  EXPECT_EQ(SendAll(get), "GET" + std::string(kFields) + "\r\n");

  BackendRequest post(Head("POST"));
  EXPECT_EQ(SendAll(post), "POST" + std::string(kFields) + "Content-Length: 0\r\n\r\n");
  EXPECT_FALSE(post.is_repeatable());
}

TEST(BackendRequestTest, ABodyOfKnownLength) {
  RequestHead head = Head("PUT");
  head.has_body = true;
  head.content_length = 6;
  BackendRequest request(head);
  EXPECT_TRUE(request.is_repeatable());
  EXPECT_EQ(SendAll(request), "PUT" + std::string(kFields) + "Content-Length: 6\r\n\r\n");
  EXPECT_TRUE(request.Put("abc"));
  EXPECT_TRUE(request.Put("def"));
  EXPECT_EQ(request.TakeConsumed(), 0u);
  EXPECT_EQ(request.Pending(), "abcdef");
  request.Sent(2);
  EXPECT_EQ(request.TakeConsumed(), 2u);
  EXPECT_EQ(SendAll(request), "cdef");
  EXPECT_EQ(request.TakeConsumed(), 4u);
  EXPECT_FALSE(request.all_sent());
  EXPECT_TRUE(request.End({}));
  EXPECT_TRUE(request.all_sent());
  EXPECT_FALSE(request.is_repeatable());
}

TEST(BackendRequestTest, ChunksAndTrailers) {
  RequestHead head = Head("POST");
  head.has_body = true;
  head.te_trailers = true;
  BackendRequest request(head);
  EXPECT_EQ(SendAll(request),
            "POST" + std::string(kFields) + "Transfer-Encoding: chunked\r\nConnection: TE\r\nTE: trailers\r\n\r\n");
  for (int i = 0; i < 26; ++i) EXPECT_TRUE(request.Put("x"));
  EXPECT_EQ(SendAll(request), "1a\r\n" + std::string(26, 'x') + "\r\n");
  EXPECT_EQ(request.TakeConsumed(), 26u);
  EXPECT_TRUE(request.End({{"X-Sum", "7"}}));
  EXPECT_FALSE(request.all_sent());
  EXPECT_EQ(SendAll(request), "0\r\nX-Sum: 7\r\n\r\n");
  EXPECT_TRUE(request.all_sent());
}

TEST(BackendRequestTest, AWebSocket) {
  RequestHead head = Head("GET");
  head.upgrade_websocket = true;
  BackendRequest request(head);
  EXPECT_EQ(SendAll(request), "GET" + std::string(kFields) + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
}

TEST(BackendRequestTest, NeverMoreOrLessThanAnnounced) {
  RequestHead head = Head("PUT");
  head.has_body = true;
  head.content_length = 2;
  BackendRequest longer(head);
  EXPECT_TRUE(longer.Put("ab"));
  EXPECT_FALSE(longer.Put("c"));
  EXPECT_FALSE(longer.valid());
  BackendRequest shorter(head);
  EXPECT_TRUE(shorter.Put("a"));
  EXPECT_FALSE(shorter.End({}));
  head.has_body = false;
  EXPECT_FALSE(BackendRequest(head).valid());
}

TEST(BackendRequestTest, NothingBecomesASecondRequest) {
  const auto valid = [](auto change) {
    RequestHead head = Head("GET");
    change(head);
    return BackendRequest(head).valid();
  };
  EXPECT_TRUE(valid([](RequestHead& head) { head.target = "*"; }));
  EXPECT_FALSE(valid([](RequestHead& head) { head.target = "/ HTTP/1.1\r\nX: "; }));
  EXPECT_FALSE(valid([](RequestHead& head) { head.target = "/a b"; }));
  EXPECT_FALSE(valid([](RequestHead& head) { head.target = "http://x/"; }));
  EXPECT_FALSE(valid([](RequestHead& head) { head.method = "GET /"; }));
  EXPECT_FALSE(valid([](RequestHead& head) { head.authority = "a\r\nX: b"; }));
  EXPECT_FALSE(valid([](RequestHead& head) { head.fields = {{"X", "a\nb"}}; }));
  EXPECT_FALSE(valid([](RequestHead& head) { head.fields = {{"X: y\r\nZ", "a"}}; }));
}

TEST(BackendRequestTest, ABackendThatReadsNoMore) {
  RequestHead head = Head("POST");
  head.has_body = true;
  BackendRequest request(head);
  EXPECT_TRUE(request.Put("abc"));
  request.Discard();
  EXPECT_EQ(request.TakeConsumed(), 3u);
  EXPECT_TRUE(request.Put("defg"));
  EXPECT_EQ(request.TakeConsumed(), 4u);
  EXPECT_TRUE(request.End({}));
  EXPECT_EQ(request.Pending(), "");
}

}  // namespace
}  // namespace ingress
