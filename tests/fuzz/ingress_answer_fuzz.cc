// What a node answers to POST /v0/ingress: any split gives the same verdict, and nothing behind the head matters.
#include "ingress/frontend/ingress_answer.h"
#include "tests/fuzz/check.h"

using fuzz::Check;
using ingress::IngressAnswer;
using ingress::ReadIngressAnswer;
using State = ingress::IngressAnswer::State;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const IngressAnswer whole = ReadIngressAnswer(bytes);
  if (whole.state == State::kDone) {
    Check(whole.status >= 100 && whole.status <= 999, "a status has three digits");
    Check(whole.head_size <= size && whole.head_size <= ingress::kMaxIngressAnswerHead, "a head is within its bounds");
    Check(bytes.substr(0, whole.head_size).ends_with("\r\n\r\n"), "an empty line ends a head");
    const IngressAnswer head = ReadIngressAnswer(bytes.substr(0, whole.head_size));
    Check(head.state == State::kDone && head.status == whole.status, "the head alone says the same");
    Check(ReadIngressAnswer(bytes.substr(0, whole.head_size - 1)).state == State::kReading, "and nothing less does");
  }
  // Once a verdict is there, more bytes do not change it.
  State before = State::kReading;
  for (size_t some = 0; some <= size; some += 1 + some / 8) {
    const State state = ReadIngressAnswer(bytes.substr(0, some)).state;
    Check(before == State::kReading || state == before, "a verdict stays");
    before = state;
  }
  Check(before == State::kReading || whole.state == before, "a verdict stays to the end");
  return 0;
}
