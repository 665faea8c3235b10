// What the bytes of a head and of trailers must look like before anything reads meaning into them: stricter than any
// parser behind us, so that none can see other lines or other fields there (RFC 9112 sections 2.2, 5 and 11.2).
#ifndef RELAYD_INGRESS_NODE_HTTP1_HEAD_CHECK_H_
#define RELAYD_INGRESS_NODE_HTTP1_HEAD_CHECK_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

namespace ingress {

inline constexpr size_t kMaxHttp1Head = 16'384;  // With the empty line; cookies of several kilobytes exist.
inline constexpr size_t kMaxHttpFields = 100;    // Browsers send about 20, with proxies in front about 40.
inline constexpr size_t kMaxMethod = 32;         // The longest registered one has 17 bytes.

// Why a request is refused; the connection closes behind the answer.
struct HttpRefusal {
  int status;
  bool smuggling;         // Some other reader of the same bytes might see other requests in them.
  std::string_view line;  // The answer's text.

  static HttpRefusal Malformed(std::string_view why) { return {.status = 400, .smuggling = false, .line = why}; }
  static HttpRefusal Smuggling(std::string_view why) { return {.status = 400, .smuggling = true, .line = why}; }
};

// Finds the empty line at the end of lines that come in any pieces, and refuses at once what no line has: a CR or LF
// that stands alone, control characters.
class LineScanner {
 public:
  enum class State : uint8_t { kMore, kEnd, kBad };

  // `first_may_be_empty`: the first line may be the empty one that ends it all, as with trailers.
  explicit LineScanner(bool first_may_be_empty) : line_is_empty_(first_may_be_empty) {}
  // Goes on over `bytes`, all of which are new. In the states kEnd and kBad no more are taken. Returns how many were.
  size_t Put(std::string_view bytes);
  State state() const { return state_; }

 private:
  State state_ = State::kMore;
  bool after_cr_ = false;
  bool line_is_empty_;  // The one that is being read.
};

// Each line of `lines` is `name:value` with a token for a name, and nothing between it and the colon. Calls `field`
// with every name and its trimmed value. No line is folded. `lines` ends with CRLF or is empty.
std::optional<HttpRefusal> CheckFieldLines(std::string_view lines,
                                           const std::function<void(std::string_view, std::string_view)>& field);
// A whole head, its empty line included, as LineScanner lets it through: `METHOD target HTTP/1.x` and field lines.
std::optional<HttpRefusal> CheckHead(std::string_view head);

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_HTTP1_HEAD_CHECK_H_
