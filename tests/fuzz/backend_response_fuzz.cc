// What a backend answers: in any split it is the same response, or none.
#include <algorithm>
#include <string>
#include <string_view>

#include "ingress/node/http_syntax.h"
#include "ingress/node/response_fixture.h"
#include "tests/fuzz/check.h"

namespace {

using fuzz::Check;
using ingress::ResponseParser;

// What goes on to the client, on a connection that others' answers follow on.
void HeadIsClean(std::string_view bytes, ResponseParser::Asked asked) {
  ResponseParser parser(asked);
  for (auto event = parser.Next(bytes); event == ResponseParser::Event::kHead; event = parser.Next(bytes)) {
    Check(parser.head().status >= 100 && parser.head().status <= 999, "a status has three digits");
    for (const auto& [name, value] : parser.head().fields) {
      Check(ingress::IsToken(name) && ingress::IsFieldValue(value), "fields hold no line ends");
    }
    Check(ingress::FindField(parser.head().fields, "content-length") == nullptr, "the length is not among the fields");
    Check(ingress::FindField(parser.head().fields, "transfer-encoding") == nullptr, "the coding is not passed on");
    if (parser.is_upgrade()) return;
  }
}

}  // namespace

// The first byte: what was asked for; the second one: in what steps the rest comes.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const ResponseParser::Asked asked{.head = (data[0] & 1) != 0, .upgrade = (data[0] & 2) != 0};
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::string whole = ingress::ReadResponse(bytes, asked);
  Check(ingress::ReadResponse(bytes, asked, std::max<size_t>(data[1], 1)) == whole, "steps change nothing");
  Check(ingress::ReadResponse(bytes, asked, 1) == whole, "nor do single bytes");
  HeadIsClean(bytes, asked);
  return 0;
}
