#include "relay/ctl/top_render.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace relay::ctl {
namespace {

using Lines = std::vector<std::string>;

// A worker's make a line about as long as a port's.
constexpr size_t kMostReasons = 4;
constexpr size_t kMostReasonsOfWorker = 3;

std::string Percent(double share) { return absl::StrFormat("%.1f%%", share * 100); }
std::string OrDash(const std::optional<double>& value) { return value ? Scaled(*value) : "-"; }

void AddRow(std::string_view name, double packets, Lines& out) {
  out.push_back(absl::StrFormat("%-12s %10s", std::string(name), Scaled(packets)));
}
void AddRow(std::string_view name, const TopFigures::Traffic& traffic, Lines& out) {
  out.push_back(
      absl::StrFormat("%-12s %10s %10s", std::string(name), Scaled(traffic.packets), Scaled(traffic.bytes * 8)));
}

// Behind the last line: the reasons that are the most.
void AppendReasons(const std::vector<TopFigures::Drop>& drops, size_t most, Lines& out) {
  for (size_t i = 0; i < std::min(drops.size(), most); ++i) {
    absl::StrAppend(&out.back(), i == 0 ? "  " : ", ", drops[i].reason, " ", Scaled(drops[i].packets));
  }
  if (drops.size() > most) absl::StrAppend(&out.back(), ", ...");
}

void RenderTotals(const TopFigures& top, Lines& out) {
  out.push_back(absl::StrFormat("%-12s %10s %10s", "", "packets/s", "bit/s"));
  AddRow("received", top.received, out);
  AddRow("forwarded", top.forwarded, out);
  static constexpr std::array<const char*, 2> kIn = {"  in   udp4", "       udp6"};
  static constexpr std::array<const char*, 2> kOut = {"  out  udp4", "       udp6"};
  for (size_t i = 0; i < 2; ++i) AddRow(kIn[i], top.forwarded_in[i], out);
  for (size_t i = 0; i < 2; ++i) AddRow(kOut[i], top.forwarded_out[i], out);
  if (top.dpdk) AddRow("to kernel", top.to_kernel, out);
  AddRow("dropped", top.dropped, out);
  AppendReasons(top.drops, kMostReasons, out);
  if (top.socket_overflow > 0) AddRow("overflow", top.socket_overflow, out);
}

// "1", "2", "3-4", ... "33+": of the bucket of what is more than `below`.
std::string BucketName(double below, double most) {
  const double least = below + 1;
  if (std::isinf(most)) return absl::StrFormat("%g+", least);
  return least == most ? absl::StrFormat("%g", most) : absl::StrFormat("%g-%g", least, most);
}

// Behind the last line, once a worker has had any: how many receives returned so many packets.
void AppendBurstNames(const TopFigures& top, Lines& out) {
  const auto found = std::ranges::find_if(top.workers, [](const auto& worker) { return !worker.bursts.empty(); });
  if (found == top.workers.end()) return;
  double below = 0;
  for (const TopFigures::BurstShare& share : found->bursts) {
    absl::StrAppendFormat(&out.back(), "%6s", BucketName(below, share.most));
    below = share.most;
  }
}

void RenderWorkers(const TopFigures& top, Lines& out) {
  static constexpr char kFormat[] = "%-12s %10s %8s %14s %10s %8s";
  out.push_back(absl::StrFormat(kFormat, "WORKER", "packets/s", "busy", "cycles/packet", "sleeps/s", "burst"));
  AppendBurstNames(top, out);
  for (const TopFigures::Worker& worker : top.workers) {
    out.push_back(absl::StrFormat(kFormat, worker.name, Scaled(worker.packets),
                                  worker.busy ? Percent(*worker.busy) : "-", OrDash(worker.cycles_per_packet),
                                  OrDash(worker.sleeps), OrDash(worker.burst)));
    for (const TopFigures::BurstShare& burst : worker.bursts) {
      absl::StrAppendFormat(&out.back(), "%5.0f%%", burst.share * 100);
    }
    if (worker.drops.empty()) continue;
    double dropped = 0;
    for (const TopFigures::Drop& drop : worker.drops) dropped += drop.packets;
    AddRow("  dropped", dropped, out);
    AppendReasons(worker.drops, kMostReasonsOfWorker, out);
  }
}

void RenderPorts(const TopFigures& top, Lines& out) {
  static constexpr char kFormat[] = "%-16s %-16s %-8s %9s %9s %9s %9s %9s %9s %6s";
  out.push_back(absl::StrFormat(kFormat, "PORT", "driver", "link", "rx/s", "tx/s", "missed/s", "errors/s", "no mbuf/s",
                                "tx full/s", "pool"));
  for (const TopFigures::Port& port : top.ports) {
    std::string link = port.up ? "up" : "down";
    if (port.up && port.speed_bits > 0) absl::StrAppend(&link, absl::StrFormat(" %gG", port.speed_bits / 1e9));
    out.push_back(absl::StrFormat(kFormat, port.name, port.driver, link, Scaled(port.received), Scaled(port.sent),
                                  Scaled(port.missed), Scaled(port.errors), Scaled(port.no_mbuf), Scaled(port.tx_full),
                                  Percent(port.pool_share)));
  }
}

}  // namespace

std::string Scaled(double value) {
  static constexpr std::array<const char*, 5> kUnits = {"", "k", "M", "G", "T"};
  size_t unit = 0;
  // 999.96 would be written as 1000.0.
  while (value >= (unit == 0 ? 999.5 : 999.95) && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  const int decimals = unit == 0 ? (value == 0 || value >= 9.95 ? 0 : 1) : value < 9.9995 ? 3 : value < 99.995 ? 2 : 1;
  std::string text = absl::StrFormat("%.*f", decimals, value);
  if (unit == 0 && text.ends_with(".0")) text.resize(text.size() - 2);
  return absl::StrCat(text, kUnits[unit]);
}

std::string Printable(std::string text) {
  for (char& c : text) c = absl::ascii_isprint(static_cast<unsigned char>(c)) ? c : '?';
  return text;
}

std::vector<std::string> RenderTop(const TopFigures& top, const std::string& url) {
  Lines out;
  out.push_back(absl::StrCat("relayd ", top.version, " at ", url, ", io=", top.dpdk ? "dpdk" : "socket"));
  out.push_back(absl::StrFormat("endpoints    %.0f open, %.0f connecting, %.0f at most", top.endpoints_open,
                                top.endpoints_connecting, top.endpoints_limit));
  if (top.restarted) {
    out.push_back("relayd has restarted: rates follow");
  } else {
    out.push_back(absl::StrFormat("handshakes   %s challenged/s, %s bound/s, %s rebound/s; %s endpoints allocated/s",
                                  Scaled(top.challenged), Scaled(top.bound), Scaled(top.rebound),
                                  Scaled(top.allocated)));
    out.emplace_back();
    RenderTotals(top, out);
    out.emplace_back();
    RenderWorkers(top, out);
    if (!top.ports.empty()) {
      out.emplace_back();
      RenderPorts(top, out);
    }
  }
  for (std::string& line : out) line = Printable(std::move(line));
  return out;
}

}  // namespace relay::ctl
