// PROXY headers: a verdict stays however the bytes go on, and what was read is what can be written.
#include <cstdint>
#include <string>
#include <string_view>

#include "ingress/proxy_protocol.h"
#include "tests/fuzz/check.h"

namespace {

using fuzz::Check;
using ingress::ProxyHeader;
using ingress::ProxyState;
using ingress::ReadProxyHeader;

void CheckWritten(const ProxyHeader& header, const std::string& written) {
  ProxyHeader again;
  Check(ReadProxyHeader(written + "x", again) == ProxyState::kDone, "a written header can be read");
  Check(again.size == written.size(), "a written header has its size");
  again.size = header.size;
  Check(again == header, "reading is the inverse of writing");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  ProxyState last = ProxyState::kReading;
  ProxyHeader header;
  for (size_t prefix = 0; prefix <= bytes.size(); ++prefix) {
    ProxyHeader now;
    const ProxyState state = ReadProxyHeader(bytes.substr(0, prefix), now);
    if (last != ProxyState::kReading) Check(state == last && now == header, "a verdict stays");
    if (state != ProxyState::kDone) Check(now == ProxyHeader{}, "a header is kDone's");
    if (state == ProxyState::kDone) Check(now.size <= prefix, "a header consists of bytes that are there");
    if (state == ProxyState::kReading) Check(prefix < ingress::kMaxProxyHeaderSize, "the end comes in time");
    last = state;
    header = now;
  }
  if (last == ProxyState::kDone && !header.local) {
    CheckWritten(header, ingress::WriteProxyV1(header.source, header.destination));
    CheckWritten(header, ingress::WriteProxyV2(header.source, header.destination));
  }
  return 0;
}
