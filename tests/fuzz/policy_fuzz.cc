// The policy file: any text is a policy or a one-line error, and a policy answers for any caller.
#include <string>
#include <string_view>

#include "relay/control/policy.h"
#include "tests/fuzz/check.h"

namespace {

using fuzz::Check;
using relay::AddrPort;
using relay::Capability;

void Ask(const relay::Policy& policy, std::string_view token) {
  for (const std::string_view caller : {"127.0.0.1:1", "198.19.0.9:1", "[2001:db8::1]:1", "[::1]:1"}) {
    const AddrPort addr = AddrPort::Parse(caller).value();
    const relay::Grant without = policy.Find(addr, "");
    const relay::Grant with = policy.Find(addr, token);
    Check(with.Has(Capability::kNone), "no capability is needed for nothing");
    for (const Capability capability : {Capability::kRelay, Capability::kAdmin, Capability::kIngress}) {
      Check(!without.Has(capability) || with.Has(capability), "a token takes nothing away");
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto policy = relay::Policy::Parse(text, "policy.json");
  if (policy.ok()) {
    Ask(*policy, text);
    return 0;
  }
  const std::string error(policy.status().message());
  Check(error.starts_with("policy.json:"), "an error says where");
  Check(error.find_first_of("\r\n") == error.npos, "an error is one line");
  return 0;
}
