// Opens files of a folder, and of nowhere else.
#ifndef RELAYD_INGRESS_NODE_OPEN_BENEATH_H_
#define RELAYD_INGRESS_NODE_OPEN_BENEATH_H_

#include <string>

#include "relay/control/fd.h"

namespace ingress {

// For reading: `path`, which is relative to the folder and may be empty for the folder itself. What `..`, an absolute
// symbolic link or one of /proc's leads out of it is refused by the kernel (openat2, Linux 5.6); symbolic links within
// it are followed. Where there is no openat2, none are. -1: errno says why. Never waits for the other end of a FIFO.
relay::Fd OpenBeneath(int folder, const std::string& path);
// The latter alone, for its test.
relay::Fd OpenBeneathByWalking(int folder, const std::string& path);

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_OPEN_BENEATH_H_
