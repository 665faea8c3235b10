// ClientHellos for load: as long as a browser's with a post-quantum key share, and no TLS behind them.
#ifndef RELAYD_BENCH_FUNNEL_PEER_HELLO_H_
#define RELAYD_BENCH_FUNNEL_PEER_HELLO_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace bench {

inline constexpr size_t kHelloBytes = 1755;

// One record of kHelloBytes for `server_name`, padded as RFC 7685 says.
std::string MakeHello(std::string_view server_name);

}  // namespace bench

#endif  // RELAYD_BENCH_FUNNEL_PEER_HELLO_H_
