// relayd --check: what would happen and what is wrong, before it starts.
#ifndef RELAYD_RELAY_CHECK_H_
#define RELAYD_RELAY_CHECK_H_

#include <string>

#include "absl/status/status.h"
#include "relay/flags.h"

namespace relay {

// Opens all that relayd would open (sockets, DPDK's ports, the API with its files, /metrics), starts no worker, closes
// it again, and writes what it saw to `report`: lines of a name, blanks and words; what an operator should know are
// lines called `warning`, and what keeps relayd from starting are called `error`. OK: it would start. Else the first of
// those errors, as relayd would end with it. Once a process, with signals blocked as relayd does.
absl::Status Check(const Options& options, std::string& report);

}  // namespace relay

#endif  // RELAYD_RELAY_CHECK_H_
