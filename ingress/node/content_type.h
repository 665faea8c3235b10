// What a file is, by its name.
#ifndef RELAYD_INGRESS_NODE_CONTENT_TYPE_H_
#define RELAYD_INGRESS_NODE_CONTENT_TYPE_H_

#include <string_view>

namespace ingress {

// Content-Type's value; application/octet-stream for what is not known.
std::string_view ContentTypeOf(std::string_view path);

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_CONTENT_TYPE_H_
