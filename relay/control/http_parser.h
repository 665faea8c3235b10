// Reads HTTP/1 requests from bytes, as they come. The one place that knows Boost.Beast.
#ifndef RELAYD_RELAY_CONTROL_HTTP_PARSER_H_
#define RELAYD_RELAY_CONTROL_HTTP_PARSER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "relay/control/http_message.h"

namespace relay {

class HttpParser {
 public:
  enum class State : uint8_t {
    kReading,     // More bytes are needed.
    kComplete,    // request() is whole.
    kBodyTooBig,  // request() is whole but for its body; the connection cannot be read any further.
    kHeadTooBig,  // From here on there is no request.
    kMalformed,
  };

  HttpParser();
  ~HttpParser();

  // Takes bytes from the front of `bytes` and returns how many; what it leaves is given again, with more behind it.
  // Takes nothing more once the state is not kReading.
  size_t Put(std::string_view bytes);
  State state() const;
  // request() is whole but for its body, of which some may still be to come.
  bool head_complete() const;
  // The client wants a word before it sends its body (Expect: 100-continue).
  bool WaitsForContinue() const;
  bool keep_alive() const;
  HttpRequest& request();
  // Ready for the next request.
  void Reset();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_HTTP_PARSER_H_
