// The protocol vectors in tests/data/reference.json, produced by the reference implementation.
#ifndef RELAYD_TESTS_SUPPORT_VECTORS_H_
#define RELAYD_TESTS_SUPPORT_VECTORS_H_

#include <boost/json.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace test {

// The whole file, parsed once. Aborts with a message if it is not there.
const boost::json::value& Vectors();

// Lower- or upper-case hex to bytes; aborts on anything else.
std::vector<uint8_t> FromHex(std::string_view hex);
std::string ToHex(const std::vector<uint8_t>& bytes);

inline std::string Text(const boost::json::value& value) { return std::string(value.as_string()); }

}  // namespace test

#endif  // RELAYD_TESTS_SUPPORT_VECTORS_H_
