#include "relay/ctl/top_render.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_join.h"

namespace relay::ctl {
namespace {

using testing::HasSubstr;
using testing::Not;

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
            "WORKER        packets/s     busy  cycles/packet    burst   sleeps/s\n"
            "0                2.000M        -              -       12          -\n");
}

TEST(TopRenderTest, PortsOfDpdk) {
  const std::string text = Render(Dpdk());
  EXPECT_THAT(text, HasSubstr(", io=dpdk\n"));
  EXPECT_THAT(text, HasSubstr("\nto kernel             5\n"));
  EXPECT_THAT(text, HasSubstr("\n0                2.000M    67.1%            145       32          0\n"));
  EXPECT_THAT(text, HasSubstr("\nPORT             driver           link          rx/s      tx/s  missed/s  errors/s"
                              " no mbuf/s tx full/s   pool\n"
                              "0000:01:00.0     net_ice          up 25G      2.000M    1.200M        17         1"
                              "         2    1.500k  12.5%\n"
                              "net_tap0         net_tap          down             0         0         0         0"
                              "         0         0   0.0%\n"));
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
