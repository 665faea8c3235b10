#include "relay/ctl/top_render.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "absl/strings/str_join.h"

namespace relay::ctl {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr double kNoBound = std::numeric_limits<double>::infinity();

TopFigures Socket() {
  TopFigures top;
  top.version = "1.2.3";
  top.endpoints_open = 12;
  top.endpoints_connecting = 3;
  top.endpoints_limit = 262144;
  top.received = 2'000'000;
  top.dropped = 12'345;
  top.drops = {{"unknown_vni", 12'000}, {"short", 300}, {"bad_magic", 44.5}, {"not_bound", 0.4}, {"too_big", 0.1}};
  top.forwarded = {.packets = 1'234'567, .bytes = 1'250'000'000};
  top.forwarded_in = {{{.packets = 1'000'000, .bytes = 1e9}, {.packets = 234'567, .bytes = 25e7}}};
  top.forwarded_out = {{{.packets = 234'567, .bytes = 25e7}, {.packets = 1'000'000, .bytes = 1e9}}};
  top.challenged = 20;
  top.bound = 19;
  top.rebound = 1;
  top.allocated = 10;
  top.workers = {{.name = "0", .packets = 2e6, .busy = {}, .cycles_per_packet = {}, .burst = 12.25, .sleeps = {}}};
  return top;
}

TopFigures Dpdk() {
  TopFigures top = Socket();
  top.dpdk = true;
  top.to_kernel = 5;
  top.workers = {{.name = "0", .packets = 2e6, .busy = 0.671, .cycles_per_packet = 145, .burst = 31.5, .sleeps = 0}};
  top.ports = {{.name = "0000:01:00.0",
                .driver = "net_ice",
                .up = true,
                .speed_bits = 25e9,
                .received = 2e6,
                .sent = 1.2e6,
                .missed = 17,
                .errors = 1,
                .no_mbuf = 2,
                .tx_full = 1500,
                .pool_share = 0.125},
               {.name = "net_tap0", .driver = "net_tap"}};
  return top;
}

std::string Render(const TopFigures& top) {
  return absl::StrJoin(RenderTop(top, "http://192.0.2.1:9641"), "\n") + "\n";
}

TEST(TopRenderTest, RatesAreShort) {
  for (const auto& [value, text] : std::vector<std::pair<double, std::string>>{{0, "0"},
                                                                               {0.04, "0"},
                                                                               {0.25, "0.2"},
                                                                               {7, "7"},
                                                                               {9.97, "10"},
                                                                               {999, "999"},
                                                                               {999.6, "1.000k"},
                                                                               {1000, "1.000k"},
                                                                               {12'345, "12.35k"},
                                                                               {99'999, "100.0k"},
                                                                               {999'960, "1.000M"},
                                                                               {1'234'567, "1.235M"},
                                                                               {9.9e9, "9.900G"},
                                                                               {1e16, "10000.0T"}}) {
    EXPECT_EQ(Scaled(value), text) << value;
  }
}

TEST(TopRenderTest, AScreenOfSockets) {
  EXPECT_EQ(Render(Socket()),
            "relayd 1.2.3 at http://192.0.2.1:9641, io=socket\n"
            "endpoints    12 open, 3 connecting, 262144 at most\n"
            "handshakes   20 challenged/s, 19 bound/s, 1 rebound/s; 10 endpoints allocated/s\n"
            "\n"
            "              packets/s      bit/s\n"
            "received         2.000M\n"
            "forwarded        1.235M     10.00G\n"
            "  in   udp4      1.000M     8.000G\n"
            "       udp6      234.6k     2.000G\n"
            "  out  udp4      234.6k     2.000G\n"
            "       udp6      1.000M     8.000G\n"
            "dropped          12.35k  unknown_vni 12.00k, short 300, bad_magic 44, not_bound 0.4, ...\n"
            "\n"
            "WORKER        packets/s     busy  cycles/packet   sleeps/s    burst\n"
            "0                2.000M        -              -          -       12\n");
}

TEST(TopRenderTest, PortsOfDpdk) {
  const std::string text = Render(Dpdk());
  EXPECT_THAT(text, HasSubstr(", io=dpdk\n"));
  EXPECT_THAT(text, HasSubstr("\nto kernel             5\n"));
  EXPECT_THAT(text, HasSubstr("\n0                2.000M    67.1%            145          0       32\n"));
  EXPECT_THAT(text, HasSubstr("\nPORT             driver           link          rx/s      tx/s  missed/s  errors/s"
                              " no mbuf/s tx full/s   pool\n"
                              "0000:01:00.0     net_ice          up 25G      2.000M    1.200M        17         1"
                              "         2    1.500k  12.5%\n"
                              "net_tap0         net_tap          down             0         0         0         0"
                              "         0         0   0.0%\n"));
}

TEST(TopRenderTest, WorkersHaveBurstsAndDropsOfTheirOwn) {
  TopFigures top = Dpdk();
  top.workers[0].bursts = {{1, 0.5}, {2, 0.25}, {4, 0.124}, {8, 0}, {16, 0}, {32, 0.126}, {kNoBound, 0}};
  top.workers[0].drops = {{"control_rate_limited", 123'456}, {"unknown_vni", 12'000}, {"short", 300}, {"too_big", 1}};
  top.workers.push_back(top.workers[0]);
  top.workers[1].name = "1";
  top.workers[1].bursts = {{1, 0}, {2, 0}, {4, 0}, {8, 0}, {16, 0}, {32, 1}, {kNoBound, 0}};
  top.workers[1].drops = {{"tx_full", 7}};
  top.workers.push_back({.name = "socket0", .packets = 3});
  EXPECT_THAT(Render(top),
              HasSubstr("\nWORKER        packets/s     busy  cycles/packet   sleeps/s    burst"
                        "     1     2   3-4   5-8  9-16 17-32   33+\n"
                        "0                2.000M    67.1%            145          0       32"
                        "   50%   25%   12%    0%    0%   13%    0%\n"
                        "  dropped        135.8k  control_rate_limited 123.5k, unknown_vni 12.00k, short 300, ...\n"
                        "1                2.000M    67.1%            145          0       32"
                        "    0%    0%    0%    0%    0%  100%    0%\n"
                        "  dropped             7  tx_full 7\n"
                        "socket0               3        -              -          -        -\n"));
}

TEST(TopRenderTest, LinesOfWorkersAreNoLongerThanThoseOfPorts) {
  TopFigures top = Dpdk();
  top.workers[0].bursts = {{1, 1}, {2, 1}, {4, 1}, {8, 1}, {16, 1}, {32, 1}, {kNoBound, 1}};
  top.workers[0].drops = {{"control_rate_limited", 123'456},  // The longest names there are.
                          {"remote_key_mismatch", 123'456},
                          {"unknown_disco_key", 123'456},
                          {"short", 1}};
  for (const std::string& line : RenderTop(top, "u")) EXPECT_LE(line.size(), 111u) << line;
}

TEST(TopRenderTest, OverflowIsShownWhereThereIsAny) {
  TopFigures top = Socket();
  EXPECT_THAT(Render(top), Not(HasSubstr("overflow")));
  top.socket_overflow = 3;
  EXPECT_THAT(Render(top), HasSubstr("\noverflow              3\n"));
}

TEST(TopRenderTest, ARestartIsShownWithoutRates) {
  TopFigures top = Dpdk();
  top.restarted = true;
  EXPECT_THAT(Render(top), HasSubstr("\nrelayd has restarted: rates follow\n"));
  EXPECT_THAT(Render(top), HasSubstr("12 open"));
  EXPECT_THAT(Render(top), Not(HasSubstr("/s")));
}

TEST(TopRenderTest, ATerminalIsShownNoControlCharacters) {
  TopFigures top = Dpdk();
  top.ports[0].name = "\x1b[2Jp";
  top.drops[0].reason = "a\nb";
  top.version = "\x9b";
  for (const std::string& line : RenderTop(top, "u")) EXPECT_EQ(line, Printable(line));
  EXPECT_THAT(Render(top), HasSubstr("?[2Jp"));
}

}  // namespace
}  // namespace relay::ctl
