// For tests: what a response is, however its bytes come.
#ifndef RELAYD_INGRESS_NODE_RESPONSE_FIXTURE_H_
#define RELAYD_INGRESS_NODE_RESPONSE_FIXTURE_H_

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "ingress/node/response_parser.h"
#include "relay/control/text.h"

namespace ingress {

// What came out, as one text, with the bytes given `step` at a time; then the connection ends.
inline std::string ReadResponse(std::string_view bytes, ResponseParser::Asked asked = {}, size_t step = SIZE_MAX) {
  using Event = ResponseParser::Event;
  using relay::text::Cat;
  ResponseParser parser(asked);
  std::string out, body;
  size_t begin = 0, end = 0;
  bool ended = false;
  while (true) {
    std::string_view given = bytes.substr(begin, end - begin);
    const size_t before = given.size();
    Event event = parser.Next(given);
    if (event == Event::kNeedMore && end == bytes.size()) {
      event = parser.End();
      ended = true;
    } else if (event == Event::kNeedMore) {
      begin += before - given.size();
      end += std::min(step, bytes.size() - end);
      continue;
    }
    begin += before - given.size();
    if (event == Event::kHead) {
      out += Cat("[", parser.head().status);
      if (parser.head().content_length) out += Cat(" ", *parser.head().content_length);
      for (const auto& [name, value] : parser.head().fields) out += Cat(" ", name, "=", value);
      out += "]";
    } else if (event == Event::kBody) {
      body += parser.body();
    } else if (event == Event::kEnd) {
      out += body;
      for (const auto& [name, value] : parser.trailers()) out += Cat("{", name, "=", value, "}");
      out += parser.keep_alive() ? " alive" : " close";
      // How much comes at once is no business of what is behind the response.
      if (!ended && begin < bytes.size()) out += Cat(" +", bytes.size() - begin);
      return out;
    } else {
      return Cat(out, body, " bad");
    }
  }
}

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_RESPONSE_FIXTURE_H_
