#include "relay/dataplane/netlink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace relay::netlink {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

using Bytes = std::vector<uint8_t>;

// In this machine's byte order, as netlink is.
Bytes Rta(uint16_t length, uint16_t type, const Bytes& value) {
  Bytes out(sizeof(rtattr) + value.size());
  const rtattr header{.rta_len = length, .rta_type = type};
  std::memcpy(out.data(), &header, sizeof(header));
  std::ranges::copy(value, out.begin() + sizeof(header));
  return out;
}

Bytes Join(const std::vector<Bytes>& parts) {
  Bytes out;
  for (const Bytes& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

TEST(NetlinkTest, FindsAnAttributeBehindPaddedOnes) {
  const Bytes list = Join({Rta(5, 1, {0xa, 0, 0, 0}), Rta(6, 2, {0xb, 0xc, 0, 0}), Rta(5, 2, {0xd})});
  EXPECT_THAT(Attribute(list, 1), ElementsAre(0xa));
  EXPECT_THAT(Attribute(list, 2), ElementsAre(0xb, 0xc));
  EXPECT_THAT(Attribute(list, 3), IsEmpty());
}

TEST(NetlinkTest, FlagsOfATypeAreNotItsNumber) {
  EXPECT_THAT(Attribute(Rta(5, NLA_F_NESTED | 3, {0xa}), 3), ElementsAre(0xa));
}

TEST(NetlinkTest, ALengthThatCannotBeEndsTheList) {
  const Bytes good = Rta(5, 2, {0xd});
  for (const uint16_t length : {0, 3, 100, 0xffff}) {
    EXPECT_THAT(Attribute(Join({Rta(length, 1, {0xa, 0, 0, 0}), good}), 1), IsEmpty()) << length;
    EXPECT_THAT(Attribute(Join({Rta(length, 1, {0xa, 0, 0, 0}), good}), 2), IsEmpty()) << length;
  }
  EXPECT_THAT(Attribute(Bytes{5, 0, 2}, 2), IsEmpty());
  EXPECT_THAT(Attribute({}, 2), IsEmpty());
}

TEST(NetlinkTest, ShortValuesAndHeadersAreNone) {
  EXPECT_FALSE(Read<uint32_t>(Bytes{1, 2, 3}));
  EXPECT_FALSE(ReadHeader<ifinfomsg>(Bytes(sizeof(ifinfomsg) - 1)));
  const auto bare = ReadHeader<ifinfomsg>(Bytes(sizeof(ifinfomsg)));
  ASSERT_TRUE(bare);
  EXPECT_THAT(bare->second, IsEmpty());
}

TEST(NetlinkTest, DumpsLinks) {
  int links = 0;
  const ifinfomsg body{};
  const absl::Status status = Dump(RTM_GETLINK, RTM_NEWLINK, BytesOf(body), [&](Payload payload) {
    EXPECT_FALSE(Attribute(ReadHeader<ifinfomsg>(payload)->second, IFLA_IFNAME).empty());
    ++links;
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_GE(links, 1);
}

TEST(NetlinkTest, ARefusalIsAnError) {
  EXPECT_FALSE(Dump(0x7ff0, 0x7ff0, {}, [](Payload) {}).ok());
}

}  // namespace
}  // namespace relay::netlink
