// What a request wants of a file: all of it, a range, or nothing as it has it already (RFC 9110 sections 13 and 14).
// Pure.
#ifndef RELAYD_INGRESS_NODE_FILE_CONDITIONS_H_
#define RELAYD_INGRESS_NODE_FILE_CONDITIONS_H_

#include <cstdint>
#include <string>

#include "ingress/node/http_exchange.h"

namespace ingress {

struct FileVersion {
  uint64_t size = 0;
  int64_t modified_s = 0;
  std::string etag;  // Strong, with its quotes.
};

struct FilePart {
  int status = 200;  // 206, 304; 416: the range is beyond the end.
  uint64_t begin = 0, size = 0;
};

// Of GET and HEAD. Several ranges, ranges of HEAD and what is no range are answered with the whole, as they may be.
FilePart WantedPart(const RequestHead& request, const FileVersion& file);

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_FILE_CONDITIONS_H_
