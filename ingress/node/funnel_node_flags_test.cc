#include "ingress/node/funnel_node_flags.h"

#include <gflags/gflags.h>
#include <gtest/gtest.h>

namespace ingress {
namespace {

absl::StatusOr<NodeOptions> Parse(std::vector<std::string> args) {
  const gflags::FlagSaver saver;
  args.insert(args.begin(), "funnel-node");
  std::vector<char*> argv;
  for (std::string& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  return ParseNodeFlags(static_cast<int>(args.size()), argv.data());
}

TEST(FunnelNodeFlagsTest, ReadsModesAndAddresses) {
  using Mode = NodeOptions::Mode;
  EXPECT_EQ(Parse({"--config=a.json"})->mode, Mode::kServe);
  EXPECT_EQ(Parse({"--config=a.json", "--check"})->mode, Mode::kCheck);
  EXPECT_EQ(Parse({"status", "--config=a.json", "--json"})->mode, Mode::kStatus);
  EXPECT_TRUE(Parse({"status", "--config=a.json", "--json"})->json);
  const NodeOptions options =
      *Parse({"--config=a.json", "--metrics_listen=[::1]:80", "--log_level=debug", "--drain_timeout=30s"});
  EXPECT_EQ(options.drain_timeout, std::chrono::seconds(30));
  EXPECT_EQ(options.metrics_listen.ToString(), "[::1]:80");
  EXPECT_EQ(options.own.front(), options.metrics_listen);
  EXPECT_EQ(options.log_level, relay::LogLevel::kDebug);
}

TEST(FunnelNodeFlagsTest, RefusesInOneLine) {
  struct Case {
    std::vector<std::string> args;
    std::string error;
  };
  for (const Case& c : std::initializer_list<Case>{
           {{}, "--config: names no file"},
           {{"--config=a", "--metrics_listen=host"}, "--metrics_listen=host: not an ip:port (IPv6 in brackets)"},
           {{"--config=a", "--log_level=loud"}, "--log_level=loud: not debug, info, warning or error"},
           {{"--config=a", "--drain_timeout=0s"}, "--drain_timeout=0s: not above 0"},
           {{"--config=a", "--drain_timeout=2562047h"}, "--drain_timeout=2562047h: more than a year"},
           {{"--config=a", "start"}, "\"start\" is not a flag, and no command but status"},
           {{"status", "now", "--config=a"}, "\"now\" is not a flag"},
           {{"status", "--check", "--config=a"}, "--check: does nothing with status"},
           {{"--json", "--config=a"}, "--json: does nothing without status"}}) {
    EXPECT_EQ(Parse(c.args).status().message(), c.error);
  }
}

}  // namespace
}  // namespace ingress
