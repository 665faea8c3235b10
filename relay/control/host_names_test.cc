#include "relay/control/host_names.h"

#include <gtest/gtest.h>

namespace relay {
namespace {

using disco::AddrPort;

TEST(HostNamesTest, OursAreTheAddressReachedLocalhostPeerAndConfiguredNames) {
  HostNames names({"relay.example", "203.0.113.9", "[2001:db8::9]"});
  const AddrPort loopback = AddrPort::Parse("127.0.0.1:9640").value();
  const AddrPort v6 = AddrPort::Parse("[2001:db8::1]:9640").value();
  struct Case {
    std::string_view host;
    bool on_loopback, on_v6;
  };
  for (const Case& c : {
           Case{"127.0.0.1", true, false},
           Case{"127.0.0.1:9640", true, false},
           Case{"127.0.0.1:80", true, false},
           Case{"127.0.0.1:", true, false},
           Case{"127.0.0.1:99999", false, false},
           Case{"127.0.0.1:x", false, false},
           Case{"127.0.0.2", false, false},
           Case{"[::ffff:127.0.0.1]", true, false},
           Case{"localhost", true, false},
           Case{"LOCALHOST.:9640", true, false},
           Case{"[2001:db8::1]", false, true},
           Case{"[2001:DB8:0::1]:1", false, true},
           Case{"2001:db8::1", false, false},
           Case{"[2001:db8::1", false, false},
           Case{"[2001:db8::1]x", false, false},
           Case{"peer", true, true},
           Case{"peer:1", true, true},
           Case{"peer.example", false, false},
           Case{"Relay.Example:443", true, true},
           Case{"relay.example.", true, true},
           Case{"xrelay.example", false, false},
           Case{"203.0.113.9", true, true},
           Case{"[2001:db8:0::9]:1", true, true},
           Case{"", false, false},
           Case{":80", false, false},
           Case{"evil.example", false, false},
           Case{"127.0.0.1.evil.example", false, false},
       }) {
    EXPECT_EQ(names.IsOurs(c.host, loopback), c.on_loopback) << c.host;
    EXPECT_EQ(names.IsOurs(c.host, v6), c.on_v6) << c.host;
  }
}

TEST(HostNamesTest, ACertificatesNamesComeAndGo) {
  HostNames names({});
  const AddrPort local = AddrPort::Parse("192.0.2.1:9640").value();
  EXPECT_FALSE(names.IsOurs("api.example", local));
  names.SetCertificateNames({"api.example", "*.wild.example", "198.51.100.1"});
  EXPECT_TRUE(names.IsOurs("api.example:9640", local));
  EXPECT_TRUE(names.IsOurs("a.wild.example", local));
  EXPECT_FALSE(names.IsOurs("wild.example", local));
  EXPECT_FALSE(names.IsOurs("a.b.wild.example", local));
  EXPECT_FALSE(names.IsOurs(".wild.example", local));
  EXPECT_TRUE(names.IsOurs("198.51.100.1", local));
  names.SetCertificateNames({});
  EXPECT_FALSE(names.IsOurs("api.example", local));
}

}  // namespace
}  // namespace relay
