#include "ingress/node/forwarded_headers.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ingress {
namespace {

RequestHead Head(HttpFields fields) {
  RequestHead head;
  head.method = "GET";
  head.target = "/";
  head.authority = "Node.Example:443";
  head.fields = std::move(fields);
  return head;
}

const HttpFields kOurs = {{"X-Forwarded-For", "203.0.113.7"},
                          {"X-Forwarded-Host", "Node.Example:443"},
                          {"X-Forwarded-Proto", "https"},
                          {"Tailscale-Funnel-Request", "?1"}};

TEST(ForwardedHeadersTest, SetsOurs) {
  RequestHead head = Head({{"Accept", "*/*"}, {"Cookie", "a=b"}});
  SetForwarded(*disco::AddrPort::Parse("203.0.113.7:4711"), head);
  HttpFields expected = {{"Accept", "*/*"}, {"Cookie", "a=b"}};
  expected.insert(expected.end(), kOurs.begin(), kOurs.end());
  EXPECT_EQ(head.fields, expected);
  EXPECT_EQ(head.authority, "Node.Example:443");

  head = Head({});
  SetForwarded(*disco::AddrPort::Parse("[2001:db8::7]:1"), head);
  EXPECT_EQ(head.fields[0].second, "2001:db8::7");
  head = Head({});
  SetForwarded(*disco::AddrPort::Parse("[::ffff:203.0.113.7]:1"), head);
  EXPECT_EQ(head.fields[0].second, "203.0.113.7");
}

TEST(ForwardedHeadersTest, ForgedOnesAreRemoved) {
  for (const std::string name : {"Forwarded",
                                 "X-Forwarded-For",
                                 "x-forwarded-for",
                                 "X-FORWARDED-HOST",
                                 "X-Forwarded-Proto",
                                 "X-Forwarded-Prefix",
                                 "X-Forwarded-Client-Cert",
                                 "X-Forwarded",
                                 "X-Real-IP",
                                 "x-real-ip",
                                 "Tailscale-User-Login",
                                 "tailscale-user-name",
                                 "Tailscale-User-Profile-Pic",
                                 "Tailscale-Headers-Info",
                                 "Tailscale-App-Capabilities",
                                 "Tailscale-Funnel-Request",
                                 "X_Forwarded_For",
                                 "X-Forwarded_For",
                                 "X_Real_IP",
                                 "tailscale_user_login",
                                 "Tailscale_Funnel-Request",
                                 "Connection",
                                 "Keep-Alive",
                                 "Proxy-Connection",
                                 "Proxy-Authorization",
                                 "TE",
                                 "Trailer",
                                 "Transfer-Encoding",
                                 "Upgrade",
                                 "HTTP2-Settings",
                                 "Transfer_Encoding",
                                 "Content-Length",
                                 "Content_Length",
                                 "Host",
                                 "Expect"}) {
    RequestHead head = Head({{"A", "1"}, {name, "127.0.0.1"}, {"B", "2"}, {name, "x"}});
    SetForwarded(*disco::AddrPort::Parse("203.0.113.7:4711"), head);
    HttpFields expected = {{"A", "1"}, {"B", "2"}};
    expected.insert(expected.end(), kOurs.begin(), kOurs.end());
    EXPECT_EQ(head.fields, expected) << name;
  }
}

TEST(ForwardedHeadersTest, OthersStay) {
  const HttpFields theirs = {{"Tailscale-Ingress-Src", "1"},     {"X-Forwarder", "1"},   {"Authorization", "Bearer x"},
                             {"Content-Range", "bytes 0-"},      {"X-Real-IPs", "1"},    {"Via", "1.1 x"},
                             {"Upgrade-Insecure-Requests", "1"}, {"Content-Type", "a/b"}};
  RequestHead head = Head(theirs);
  SetForwarded(*disco::AddrPort::Parse("203.0.113.7:4711"), head);
  head.fields.resize(theirs.size());
  EXPECT_EQ(head.fields, theirs);
}

TEST(ForwardedHeadersTest, WhatConnectionNamesIsHopByHop) {
  HttpFields fields = {{"connection", "close, X-One ,,x_two"},
                       {"Connection", "Authorization"},
                       {"X-One", "1"},
                       {"x-two", "2"},
                       {"authorization", "3"},
                       {"X-Three", "3"},
                       {"Keep-Alive", "timeout=5"}};
  RemoveHopByHop(fields);
  EXPECT_EQ(fields, (HttpFields{{"X-Three", "3"}}));
}

TEST(ForwardedHeadersTest, TrailersSayNothingThatAHeadDecidesBy) {
  HttpFields trailers = {{"Grpc-Status", "0"},
                         {"Content-Length", "5"},
                         {"Host", "x"},
                         {"X-Forwarded-For", "1"},
                         {"Tailscale-User-Login", "root"},
                         {"Transfer-Encoding", "chunked"},
                         {"Authorization", "x"},
                         {"Set-Cookie", "x"},
                         {"Content-Type", "x"},
                         {"Connection", "x"},
                         {"X-Sum", "1"}};
  CleanTrailers(trailers);
  EXPECT_EQ(trailers, (HttpFields{{"Grpc-Status", "0"}, {"X-Sum", "1"}}));
}

}  // namespace
}  // namespace ingress
