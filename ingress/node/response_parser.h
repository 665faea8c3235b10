// Reads a backend's HTTP/1 response from bytes, as they come. Strict: what two readers may see differently is refused,
// as a client behind us could be given the rest of one answer for another's.
#ifndef RELAYD_INGRESS_NODE_RESPONSE_PARSER_H_
#define RELAYD_INGRESS_NODE_RESPONSE_PARSER_H_

#include <cstdint>
#include <string_view>

#include "ingress/node/http_exchange.h"

namespace ingress {

class ResponseParser {
 public:
  enum class Event : uint8_t {
    kNeedMore,  // Give what is left of the bytes again, with more behind them.
    kHead,      // head() is there: an informational one (then another follows), 101, or the answer's.
    kBody,      // body() is some of it, within the bytes that were given.
    kEnd,       // The response is whole, with trailers(). What is left of the bytes is none of it.
    kBad,       // It is none, or too large. Stays so.
  };
  // What is asked for decides how the answer ends.
  struct Asked {
    bool head = false;     // HEAD: there is no body, whatever the fields say.
    bool upgrade = false;  // 101 is an answer.
  };
  static constexpr size_t kMaxHead = 32'768;     // Also of the trailers. Cookies and policies take a few thousand.
  static constexpr size_t kMaxChunkLine = 1024;  // A size is 16 digits at most; extensions are not used.
  static constexpr int kMaxInformational = 16;   // Before the answer's own head.

  explicit ResponseParser(Asked asked) : asked_(asked) {}

  // Takes what it reads from the front of `bytes`. An unfinished line is left, at most kMaxHead bytes.
  Event Next(std::string_view& bytes);
  // The backend has ended its way. kEnd: that is how this response ends; kBad: it is cut off.
  Event End();

  const ResponseHead& head() const { return head_; }
  std::string_view body() const { return body_; }
  const HttpFields& trailers() const { return trailers_; }
  bool is_upgrade() const { return head_.status == 101; }
  // Another request may be sent on the connection, once this response has ended.
  bool keep_alive() const { return keep_alive_; }

 private:
  enum class State : uint8_t { kHead, kFixed, kUntilClose, kChunkLine, kChunk, kChunkEnd, kTrailers, kEnd, kBad };

  Event Bad();
  Event ReadHead(std::string_view& bytes);
  Event ReadChunkLine(std::string_view& bytes);
  Event ReadChunkEnd(std::string_view& bytes);
  Event ReadTrailers(std::string_view& bytes);
  Event TakeBody(std::string_view& bytes, State then);
  bool Frame(bool http11, const HttpFields& fields);
  // The lines in front of an empty one, with it; empty: not yet there, or state_ is kBad.
  std::string_view TakeLines(std::string_view& bytes);

  Asked asked_;
  State state_ = State::kHead;
  uint64_t left_ = 0;           // Of the body, or of this chunk.
  size_t line_ = 0, seen_ = 0;  // What TakeLines has looked at, and where its last line begins.
  int informational_ = 0;
  bool keep_alive_ = false;
  ResponseHead head_;
  std::string_view body_;
  HttpFields trailers_;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_RESPONSE_PARSER_H_
