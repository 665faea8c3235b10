// A stream whose first bytes were read or are to be written already: what a WebSocket's upgrade leaves.
#ifndef RELAYD_INGRESS_NODE_PREFIXED_STREAM_H_
#define RELAYD_INGRESS_NODE_PREFIXED_STREAM_H_

#include <memory>
#include <string>

#include "ingress/stream.h"

namespace ingress {

// Reads `behind` before what `stream` reads, and writes `first` before anything else.
std::unique_ptr<Stream> MakePrefixedStream(std::unique_ptr<Stream> stream, std::string behind, std::string first);

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_PREFIXED_STREAM_H_
