// HTTP's dates (RFC 9110 section 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
#ifndef RELAYD_INGRESS_NODE_HTTP_DATE_H_
#define RELAYD_INGRESS_NODE_HTTP_DATE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ingress {

std::string FormatHttpDate(int64_t unix_s);
// That form alone; the two obsolete ones count as no date, so that nothing is left out of an answer for them.
std::optional<int64_t> ParseHttpDate(std::string_view text);

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_HTTP_DATE_H_
