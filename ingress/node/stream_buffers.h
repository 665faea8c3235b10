// What has been read from a stream and not parsed, and what waits for a stream to take it.
#ifndef RELAYD_INGRESS_NODE_STREAM_BUFFERS_H_
#define RELAYD_INGRESS_NODE_STREAM_BUFFERS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "ingress/stream.h"

namespace ingress {

class InBuffer {
 public:
  explicit InBuffer(size_t capacity) : capacity_(capacity) {}

  // One read, if there is room. True: something is new, bytes or an end.
  bool Fill(Stream& stream);
  std::string_view unread() const { return {bytes_.get() + begin_, end_ - begin_}; }
  void Take(size_t size) { begin_ += size; }
  void Release();                          // Gives the memory back; it comes again with Fill.
  bool eof() const { return eof_; }        // The other side has ended its way.
  bool broken() const { return broken_; }  // Nothing works any more.
  bool at_end() const { return broken_ || (eof_ && unread().empty()); }

 private:
  const size_t capacity_;
  std::unique_ptr<char[]> bytes_;
  size_t begin_ = 0, end_ = 0;
  bool eof_ = false, broken_ = false;
};

class OutBuffer {
 public:
  enum class Flushed : uint8_t { kNothing, kSome, kBroken };

  Flushed Flush(Stream& stream);
  std::string& tail() { return bytes_; }  // To append to.
  std::string_view unsent() const { return std::string_view(bytes_).substr(sent_); }
  void Release();

 private:
  std::string bytes_;
  size_t sent_ = 0;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_STREAM_BUFFERS_H_
