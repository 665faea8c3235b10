// --eal as EAL takes it.
#ifndef RELAYD_BENCH_RELAY_BENCH_EAL_ARGUMENTS_H_
#define RELAYD_BENCH_RELAY_BENCH_EAL_ARGUMENTS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace bench {

// Split at blanks, with the program's name first, and what relay-bench adds unless the string says otherwise: --no-pci
// (no NIC that nobody named), --in-memory and --single-file-segments (vhost needs it) where there are hugepages, -l
// with the first core we may run on, and a quiet log.
absl::StatusOr<std::vector<std::string>> EalArguments(std::string_view eal);

}  // namespace bench

#endif  // RELAYD_BENCH_RELAY_BENCH_EAL_ARGUMENTS_H_
