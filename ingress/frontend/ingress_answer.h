// What a node answers to POST /v0/ingress: a status line, headers that nobody looks at, and then the raw stream.
#ifndef RELAYD_INGRESS_FRONTEND_INGRESS_ANSWER_H_
#define RELAYD_INGRESS_FRONTEND_INGRESS_ANSWER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "disco/addr_port.h"

namespace ingress {

// The request: these headers and no others, no body.
std::string IngressRequest(const disco::AddrPort& peerapi, const disco::AddrPort& client, std::string_view name,
                           uint16_t port);

// A node's answer is an error message at most.
inline constexpr size_t kMaxIngressAnswerHead = 8192;

struct IngressAnswer {
  enum class State : uint8_t { kReading, kDone, kMalformed };
  State state = State::kReading;
  int status = 0;        // Of kDone: 100 to 999.
  size_t head_size = 0;  // Of kDone: what is behind it is the stream's.
};

// `bytes`: all so far. Malformed: they do not begin like an HTTP/1 answer, or the head is longer than
// kMaxIngressAnswerHead. Both stay so however the bytes go on.
IngressAnswer ReadIngressAnswer(std::string_view bytes);

}  // namespace ingress

#endif  // RELAYD_INGRESS_FRONTEND_INGRESS_ANSWER_H_
