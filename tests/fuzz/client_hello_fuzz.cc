// The first bytes of a public connection: any split of any prefix gives the verdict that the prefix gives as a whole,
// and a verdict stays.
#include <algorithm>
#include <cstdint>
#include <string_view>

#include "ingress/client_hello.h"
#include "relay/control/host_name.h"
#include "tests/fuzz/check.h"

namespace {

using fuzz::Check;
using ingress::ClientHello;
using ingress::ClientHelloReader;
using State = ClientHelloReader::State;

constexpr size_t kCaps[] = {16384, 700};

struct Result {
  State state;
  ClientHello hello;
  friend bool operator==(const Result&, const Result&) = default;
};

Result ReadWhole(std::string_view bytes, size_t cap) {
  ClientHelloReader reader(cap);
  const State state = reader.Read(bytes);
  return {state, reader.hello()};
}

void CheckHello(const Result& result) {
  const std::string& name = result.hello.server_name;
  if (!name.empty()) Check(relay::CanonicalHostName(name) == name, "a name is canonical");
  Check(result.hello.alpn.size() <= 16, "not more protocols than it says");
  if (result.state != State::kDone) Check(result.hello == ClientHello{}, "a hello is kDone's");
}

// Byte by byte, beside a fresh reader for some prefixes: the first ones, one of 64, and those around the verdict. All
// of them would be a hundred times slower and find the same.
void CheckPrefixes(std::string_view bytes, size_t cap, const Result& whole) {
  ClientHelloReader reader(cap);
  State last = State::kReading;
  for (size_t size = 1; size <= bytes.size(); ++size) {
    const State state = reader.Read(bytes.substr(0, size));
    const bool verdict = state != last;
    const bool looked_at = verdict || (state == State::kReading && (size < 16 || size % 64 == 0));
    const Result result{state, reader.hello()};
    if (looked_at) Check(ReadWhole(bytes.substr(0, size), cap) == result, "the split does not matter");
    if (verdict) Check(ReadWhole(bytes.substr(0, size - 1), cap).state == State::kReading, "nor one byte earlier");
    if (state != State::kReading) Check(whole == result, "a verdict stays");
    last = state;
  }
  Check(whole.state == last, "the end is the same");
}

// In pieces whose sizes the bytes themselves choose.
void CheckPieces(std::string_view bytes, size_t cap, const Result& whole) {
  ClientHelloReader reader(cap);
  State state = State::kReading;
  for (size_t size = 0; size < bytes.size();) {
    size = std::min(bytes.size(), size + 1 + static_cast<uint8_t>(bytes[size]) % 67);
    state = reader.Read(bytes.substr(0, size));
  }
  Check(whole == Result{state, reader.hello()}, "pieces do not matter");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const size_t cap : kCaps) {
    const Result whole = ReadWhole(bytes, cap);
    CheckHello(whole);
    CheckPrefixes(bytes, cap, whole);
    CheckPieces(bytes, cap, whole);
  }
  return 0;
}
