// Who may call what: the policy file. A policy never changes; SIGHUP makes a new one.
#ifndef RELAYD_RELAY_CONTROL_POLICY_H_
#define RELAYD_RELAY_CONTROL_POLICY_H_

#include <array>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "relay/control/funnel_policy.h"
#include "relay/control/json_lines.h"
#include "relay/control/prefix.h"

namespace relay {

enum class Capability : uint8_t { kNone, kRelay, kAdmin, kIngress };
std::string_view CapabilityName(Capability capability);

struct CapabilitySet {
  bool relay = false;
  bool admin = false;
  bool ingress = false;
  bool every_connector = false;                   // Only without a policy file.
  std::set<std::string, std::less<>> connectors;  // Of `connector:<app>`.

  bool Has(Capability capability) const;  // kNone: always.
  bool HasConnector(std::string_view app) const;
};

// What one request may do: its address's capabilities and its token's. Valid as long as the policy.
struct Grant {
  const CapabilitySet* prefix = nullptr;
  const CapabilitySet* token = nullptr;
  std::string_view token_name;  // Empty: no token, or an unknown one.

  bool Has(Capability capability) const;
  bool HasConnector(std::string_view app) const;
};

class Policy {
 public:
  // Without a policy file: loopback callers alone, with every capability, and nothing that a proxy has passed on.
  static Policy LoopbackOnly();
  // An error is one line, `file:line: reason`.
  static absl::StatusOr<Policy> Parse(std::string_view text, std::string_view file);
  static absl::StatusOr<Policy> Load(const std::string& path);
  // A policy of peers alone: the list as the policy file has it.
  static absl::StatusOr<Policy> FromPeers(const JsonFile& file, const JsonNode& peers);

  // `bearer` is the token of the Authorization header, empty if there is none. The longest prefix that holds the
  // address decides. A token is looked up by its SHA-256: what the time tells is of the digest, not of the token.
  Grant Find(const AddrPort& caller, std::string_view bearer) const;
  bool refuses_proxied() const { return refuses_proxied_; }
  const FunnelPolicy& funnel() const { return funnel_; }

 private:
  using Digest = std::array<uint8_t, 32>;
  struct Token {
    std::string name;
    CapabilitySet capabilities;
  };

  absl::Status AddPeer(const JsonFile& file, const JsonNode& node);
  absl::Status AddToken(const JsonFile& file, const JsonNode& node);

  absl::flat_hash_map<Prefix, CapabilitySet> peers_;
  std::vector<uint8_t> prefix_bits_;           // The lengths in use, longest first.
  absl::flat_hash_map<Digest, Token> tokens_;  // By their SHA-256.
  std::set<std::string, std::less<>> token_names_;
  bool refuses_proxied_ = false;
  FunnelPolicy funnel_;
};

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_POLICY_H_
