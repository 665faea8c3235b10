#include "ingress/frontend/hello_intake.h"

#include <gtest/gtest.h>

#include "tests/support/client_hello_builder.h"

namespace ingress {
namespace {

using State = HelloIntake::State;

const std::string kHello = test::Hello({.name = "node.example"});
const AddrPort kClient = *AddrPort::Parse("192.0.2.5:1234");
const AddrPort kPublic = *AddrPort::Parse("198.51.100.1:8443");

TEST(HelloIntakeTest, AHelloByteByByte) {
  HelloIntake intake(16'384, false);
  for (size_t i = 0; i + 1 < kHello.size(); ++i) ASSERT_EQ(intake.Feed(kHello.substr(i, 1)), State::kReading);
  ASSERT_EQ(intake.Feed(kHello.substr(kHello.size() - 1)), State::kDone);
  EXPECT_EQ(intake.server_name(), "node.example");
  EXPECT_EQ(intake.bytes(), kHello);
  EXPECT_FALSE(intake.proxy());
}

TEST(HelloIntakeTest, AProxyHeaderIsTakenOff) {
  for (const std::string& header : {WriteProxyV1(kClient, kPublic), WriteProxyV2(kClient, kPublic)}) {
    const std::string all = header + kHello + "early";
    for (size_t split = 0; split <= all.size(); ++split) {
      HelloIntake intake(16'384, true);
      State state = intake.Feed(all.substr(0, split));
      EXPECT_EQ(intake.awaits_proxy(), split < header.size());
      if (split < all.size()) state = intake.Feed(all.substr(split));
      ASSERT_EQ(state, State::kDone);
      ASSERT_TRUE(intake.proxy());
      EXPECT_EQ(intake.proxy()->source, kClient);
      EXPECT_EQ(intake.proxy()->destination, kPublic);
      EXPECT_EQ(intake.bytes(), kHello + "early");
    }
  }
}

TEST(HelloIntakeTest, AProxysOwnConnectionHasNoOtherAddresses) {
  HelloIntake intake(16'384, true);
  EXPECT_EQ(intake.Feed("PROXY UNKNOWN\r\n" + kHello), State::kDone);
  EXPECT_FALSE(intake.proxy());
}

TEST(HelloIntakeTest, Refuses) {
  const struct {
    std::string_view what;
    bool proxied;
    std::string bytes;
    CloseReason reason;
  } rows[] = {
      {"plain HTTP", false, "GET / HTTP/1.1\r\n\r\n", CloseReason::kNotTls},
      {"no PROXY header where one is due", true, kHello, CloseReason::kNotTls},
      {"a malformed one", true, "PROXY TCP4 x\r\n" + kHello, CloseReason::kNotTls},
      {"a PROXY header where none is due", false, WriteProxyV1(kClient, kPublic) + kHello, CloseReason::kNotTls},
      {"a bad name", false, test::Hello({.name = "192.0.2.1"}), CloseReason::kBadName},
      {"too big", false, test::Hello({.name = "node.example", .size = 2'000}), CloseReason::kHelloTooBig},
  };
  for (const auto& row : rows) {
    HelloIntake intake(1'000, row.proxied);
    EXPECT_EQ(intake.Feed(row.bytes.substr(0, intake.room())), State::kRefused) << row.what;
    EXPECT_EQ(intake.reason(), row.reason) << row.what;
  }
}

}  // namespace
}  // namespace ingress
