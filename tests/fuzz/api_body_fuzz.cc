// The texts that the API and the flags take: request and answer bodies, durations, addresses, keys.
#include <string_view>

#include "disco/addr_port.h"
#include "disco/go_duration.h"
#include "disco/key.h"
#include "disco/server_endpoint.h"
#include "tests/fuzz/check.h"

namespace {

using fuzz::Check;

void IsOneLine(const absl::Status& status) {
  const std::string text(status.message());
  Check(!text.empty() && text.find_first_of("\r\n") == text.npos, "an error is one line");
}

void Bodies(std::string_view text) {
  if (const auto keys = disco::ParseAllocateRequest(text); keys.ok()) {
    const auto again = disco::ParseAllocateRequest(disco::AllocateRequestToJson(*keys));
    Check(again.ok() && *again == *keys, "a written request reads as itself");
  } else {
    IsOneLine(keys.status());
  }
  if (const auto endpoint = disco::ParseServerEndpoint(text); endpoint.ok()) {
    const auto again = disco::ParseServerEndpoint(disco::ServerEndpointToJson(*endpoint));
    Check(again.ok() && *again == *endpoint, "a written endpoint reads as itself");
  } else {
    IsOneLine(endpoint.status());
  }
}

void Words(std::string_view text) {
  if (const auto duration = disco::ParseGoDuration(text)) {
    Check(disco::ParseGoDuration(disco::FormatGoDuration(*duration)) == duration, "a written duration reads as itself");
  }
  if (const auto addr = disco::AddrPort::Parse(text)) {
    Check(disco::AddrPort::Parse(addr->ToString()) == addr, "a written address reads as itself");
    Check(addr->scope == 0 || addr->IsLinkLocal(), "only a link-local address has a scope");
  }
  if (const auto key = disco::PublicKey::Parse(text)) {
    Check(disco::PublicKey::Parse(key->ToString()) == key, "a written key reads as itself");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Bodies(text);
  Words(text);
  return 0;
}
