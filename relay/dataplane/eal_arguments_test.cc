#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "relay/dataplane/eal.h"
#include "relay/dataplane/eal_words.h"
#include "relay/dataplane/steer_object.h"
#include "relay/dataplane/threads.h"

namespace relay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

absl::StatusOr<std::string> Arguments(const std::string& eal) {
  DpdkOptions options;
  options.eal = eal;
  const auto arguments = EalArguments(options, "/t/s.o");
  if (!arguments.ok()) return arguments.status();
  EXPECT_EQ(arguments->at(0), "relayd");
  EXPECT_EQ(arguments->at(1), "--log-level=*:warning");
  return absl::StrJoin(arguments->begin() + 2, arguments->end(), "|");
}

TEST(EalArgumentsTest, WhatIsAdded) {
  const std::string l = "-l" + std::to_string(AllowedCores()[0]);
  const struct {
    std::string eal;
    std::string arguments;
  } kRows[] = {
      {"", "--no-pci|--in-memory|" + l},
      {"--vdev=net_null0", "--no-pci|--in-memory|" + l + "|--vdev=net_null0"},
      {"-a 0000:01:00.0", "--in-memory|" + l + "|-a|0000:01:00.0"},
      {"-a0000:01:00.0", "--in-memory|" + l + "|-a0000:01:00.0"},
      {"--allow=0000:01:00.0,x=1", "--in-memory|" + l + "|--allow=0000:01:00.0,x=1"},
      {"--no-huge -m 256", "--no-pci|--no-shconf|" + l + "|--no-huge|-m|256"},
      {"--no-huge --no-shconf", "--no-pci|" + l + "|--no-huge|--no-shconf"},
      {"--file-prefix=a", "--no-pci|--in-memory|" + l + "|--file-prefix=a"},
      {"--no-huge --file-prefix=a", "--no-pci|--no-shconf|" + l + "|--no-huge|--file-prefix=a"},
      {"--huge-unlink=never", "--no-pci|" + l + "|--huge-unlink=never"},
      {"--in-memory --no-pci", l + "|--in-memory|--no-pci"},
      {"-l 2,3", "--no-pci|--in-memory|-l|2,3"},
      {"--lcores 0@2", "--no-pci|--in-memory|--lcores|0@2"},
      {"-c1", "--no-pci|--in-memory|-c1"},
      // Ours comes first, so that the operator's counts.
      {"--log-level=debug", "--no-pci|--in-memory|" + l + "|--log-level=debug"},
      {"--vdev=net_af_xdp0,iface=va",
       "--no-pci|--in-memory|" + l + "|--vdev=net_af_xdp0,iface=va,xdp_prog=/t/s.o,busy_budget=0"},
      {"--vdev net_af_xdp0,iface=va,busy_budget=64",
       "--no-pci|--in-memory|" + l + "|--vdev|net_af_xdp0,iface=va,busy_budget=64,xdp_prog=/t/s.o"},
      {"--vdev=net_af_xdp0,iface=va,queue_count=1,start_queue=2",
       "--no-pci|--in-memory|" + l +
           "|--vdev=net_af_xdp0,iface=va,queue_count=1,start_queue=2,xdp_prog=/t/s.o,busy_budget=0"},
      // The operator's own program, and then as many queues as it serves.
      {"--vdev=net_af_xdp0,iface=va,xdp_prog=/m.o,queue_count=2",
       "--no-pci|--in-memory|" + l + "|--vdev=net_af_xdp0,iface=va,xdp_prog=/m.o,queue_count=2"},
  };
  for (const auto& row : kRows) {
    const auto arguments = Arguments(row.eal);
    ASSERT_TRUE(arguments.ok()) << row.eal << ": " << arguments.status();
    EXPECT_EQ(*arguments, row.arguments) << row.eal;
  }
}

TEST(EalArgumentsTest, WhatIsRefused) {
  const struct {
    std::string eal;
    std::string says;
  } kRows[] = {
      {"--vdev='net_null0", "quotation"},
      {"--vdev=net_null0\\", "backslash"},
      {"net_null0", "not an argument"},
      {"--no-huge -- -x", "--: "},
      {"--help", "--help"},
      {"-v", "-v"},
      {"--proc-type=secondary", "primary"},
      {"--mbuf-size=2048", "a flag of relayd"},
      {"--workers 2", "a flag of relayd"},
      {"--vdev=net_af_xdp0,iface=va,queue_count=2", "two workers take two ports"},
      {"--vdev=net_af_xdp0,iface=va --vdev=net_af_xdp1,iface=va,start_queue=1", "net_af_xdp0's already"},
      {"--vdev=net_null0 --vdev=net_null0,size=64", "net_null0: named twice"},
      {"-a 0000:01:00.0 --allow=0000:01:00.0", "0000:01:00.0: named twice"},
      {"--vdev=net_vhost0,iface=/no/such/x.sock", "no folder /no/such for the socket"},
      {"--vdev=virtio_user0,queues=1,path=/no/such/x.sock", "no folder /no/such for the socket"},
  };
  for (const auto& row : kRows) {
    const auto arguments = Arguments(row.eal);
    ASSERT_FALSE(arguments.ok()) << row.eal << ": " << *arguments;
    const std::string message(arguments.status().message());
    EXPECT_THAT(message, HasSubstr(row.says));
    EXPECT_THAT(message, testing::StartsWith("--eal"));
    EXPECT_EQ(message.find('\n'), std::string::npos);
  }
}

TEST(EalArgumentsTest, WordsAreAShells) {
  EXPECT_THAT(*SplitWords(""), IsEmpty());
  EXPECT_THAT(*SplitWords("  \t\n "), IsEmpty());
  EXPECT_THAT(*SplitWords(" a  b\tc\n"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(*SplitWords("a' b'\"c d\" ''"), ElementsAre("a bc d", ""));
  EXPECT_THAT(*SplitWords(R"(a\ b "c\"d" 'e\f' "'")"), ElementsAre("a b", "c\"d", "e\\f", "'"));
}

TEST(EalArgumentsTest, DevicesAreNamedWithoutTheirParameters) {
  const std::vector<std::string> words = {
      "relayd",         "-a",     "0000:01:00.0,x=1",       "--vdev=net_null0,size=64",
      "--vdev",         "net_x1", "--vdev=crypto_aesni0,a", "-a0000:02:00.0",
      "--allow=03:00.1"};
  EXPECT_THAT(EalDevices(words), ElementsAre("0000:01:00.0", "net_null0", "net_x1", "0000:02:00.0", "03:00.1"));
}

std::string PortBytes(uint16_t port) {
  const uint32_t word = port;
  return {reinterpret_cast<const char*>(&word), sizeof(word)};
}

TEST(SteerObjectTest, ThePortAppearsAndTheRestStays) {
  const auto built = SteerObject();
  const std::string before(built.begin(), built.end());
  const auto patched = PatchSteerObject(built, 40123);
  ASSERT_TRUE(patched.ok()) << patched.status();
  const std::string after(patched->begin(), patched->end());
  ASSERT_EQ(before.substr(0, 4),
            "\x7f"
            "ELF");
  ASSERT_EQ(after.size(), before.size());
  std::vector<size_t> changed;
  for (size_t i = 0; i < after.size(); ++i) {
    if (after[i] != before[i]) changed.push_back(i);
  }
  ASSERT_FALSE(changed.empty());
  EXPECT_LT(changed.back() - changed.front(), 4u);
  const uint32_t marker = kSteerPortMarker;
  const size_t place = before.find(std::string(reinterpret_cast<const char*>(&marker), sizeof(marker)));
  EXPECT_EQ(after.substr(place, 4), PortBytes(40123));
}

TEST(SteerObjectTest, OnePlaceForThePortOrNone) {
  const uint32_t words[] = {1, kSteerPortMarker, kSteerPortMarker};
  const auto* const bytes = reinterpret_cast<const uint8_t*>(words);
  EXPECT_TRUE(PatchSteerObject({bytes, 8}, 1).ok());
  EXPECT_THAT(std::string(PatchSteerObject({bytes, 4}, 1).status().message()), HasSubstr("no place"));
  EXPECT_THAT(std::string(PatchSteerObject({bytes, 12}, 1).status().message()), HasSubstr("several places"));
  EXPECT_FALSE(PatchSteerObject({}, 1).ok());
}

TEST(SteerObjectTest, IsWrittenForUsAlone) {
  const auto path = WriteSteerObject(7);
  ASSERT_TRUE(path.ok()) << path.status();
  std::ifstream file(*path, std::ios::binary);
  const std::string written((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto wanted = PatchSteerObject(SteerObject(), 7);
  EXPECT_EQ(written, std::string(wanted->begin(), wanted->end()));
  struct stat status {};
  EXPECT_EQ(stat(path->c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  unlink(path->c_str());
}

}  // namespace
}  // namespace relay
