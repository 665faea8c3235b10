// What `relayctl top` shows: rates between two samples of /metrics. No I/O.
#ifndef RELAYD_RELAY_CTL_TOP_FIGURES_H_
#define RELAYD_RELAY_CTL_TOP_FIGURES_H_

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "relay/ctl/metrics_text.h"

namespace relay::ctl {

// All rates are a second.
struct TopFigures {
  struct Traffic {
    double packets = 0;
    double bytes = 0;  // UDP payload.
  };
  struct Drop {
    std::string reason;
    double packets;
  };
  struct BurstShare {
    double most;   // Packets; more than in the one before. Infinite: no bound.
    double share;  // 0 to 1.
  };
  struct Worker {
    std::string name;
    double packets = 0;         // Received.
    std::vector<Drop> drops{};  // As below.
    // Those of poll-mode workers alone; and none where nothing was received, whose cost could be told.
    std::optional<double> busy{};  // Share of the time, 0 to 1.
    std::optional<double> cycles_per_packet{};
    std::optional<double> burst{};  // Datagrams a receive.
    std::optional<double> sleeps{};
    // Of all receives, the share that returned so many packets; empty without any, and for sockets.
    std::vector<BurstShare> bursts{};
  };
  struct Port {
    std::string name;
    std::string driver;
    bool up = false;
    double speed_bits = 0;  // 0: not known.
    double received = 0;
    double sent = 0;
    double missed = 0;
    double errors = 0;  // In both directions.
    double no_mbuf = 0;
    double tx_full = 0;
    double pool_share = 0;  // Packet buffers in use, 0 to 1.
  };

  // The second sample is of another process than the first: there are no rates.
  bool restarted = false;
  std::string version;
  bool dpdk = false;
  double endpoints_open = 0;
  double endpoints_connecting = 0;
  double endpoints_limit = 0;

  double received = 0;
  double to_kernel = 0;
  double dropped = 0;
  double socket_overflow = 0;
  std::vector<Drop> drops;  // What was dropped in this time, the most first.
  Traffic forwarded;
  std::array<Traffic, 2> forwarded_in;  // By family: udp4, udp6.
  std::array<Traffic, 2> forwarded_out;
  double challenged = 0;
  double bound = 0;
  double rebound = 0;
  double allocated = 0;  // New endpoints.
  // Kernel sockets beside DPDK ports that never received anything, and drop nothing, are left out.
  std::vector<Worker> workers;
  std::vector<Port> ports;
};

// `seconds` lie between the samples: above 0.
TopFigures ComputeTop(const Metrics& before, const Metrics& after, double seconds);

}  // namespace relay::ctl

#endif  // RELAYD_RELAY_CTL_TOP_FIGURES_H_
