// relay-bench's command line. The one file that reads flags: everything else gets Options.
#ifndef RELAYD_BENCH_RELAY_BENCH_FLAGS_H_
#define RELAYD_BENCH_RELAY_BENCH_FLAGS_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "bench/relay_bench/options.h"

namespace bench {

// Parses and checks the command line. A wrong flag gives an error of one line; an unknown one ends the process with one
// line on stderr and status 2; --help and --version print and end it with 0.
absl::StatusOr<Options> ParseFlags(int argc, char** argv);

// "bogus_control:1000,random:50".
absl::StatusOr<HostileRates> ParseHostile(std::string_view text);
// "198.18.0.0/15".
absl::StatusOr<ClientNet> ParseClientNet(std::string_view text);
absl::StatusOr<std::array<uint8_t, 6>> ParseMac(std::string_view text);

}  // namespace bench

#endif  // RELAYD_BENCH_RELAY_BENCH_FLAGS_H_
