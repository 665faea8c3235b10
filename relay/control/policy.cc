#include "relay/control/policy.h"

#include <openssl/sha.h>

#include <algorithm>
#include <functional>
#include <span>
#include <utility>

#include "relay/control/funnel_policy.h"
#include "relay/control/read_file.h"
#include "relay/control/text.h"

namespace relay {
namespace {

constexpr size_t kMaxFileMib = 64;
constexpr std::string_view kConnector = "connector:";

bool IsAppName(std::string_view app) {
  const auto plain = [](char c) { return text::IsLetter(c) || text::IsDigit(c) || c == '-' || c == '_' || c == '.'; };
  return !app.empty() && app.size() <= 63 && std::all_of(app.begin(), app.end(), plain);
}

absl::Status AddCapability(const JsonFile& file, const JsonNode& node, CapabilitySet& set) {
  std::string name;
  if (absl::Status status = file.ReadString(node, "a capability", name); !status.ok()) return status;
  const std::string twice = text::Cat("capability \"", name, "\" stands here twice");
  for (const auto& [known, has] : {std::pair("relay", &set.relay), {"admin", &set.admin}, {"ingress", &set.ingress}}) {
    if (name != known) continue;
    return std::exchange(*has, true) ? file.Error(node.line, twice) : absl::OkStatus();
  }
  if (!name.starts_with(kConnector) || !IsAppName(std::string_view(name).substr(kConnector.size()))) {
    return file.Error(node.line, text::Cat("unknown capability \"", name,
                                           "\" (there are relay, admin, ingress and connector:<app>)"));
  }
  std::string app = name.substr(kConnector.size());
  return set.connectors.insert(std::move(app)).second ? absl::OkStatus() : file.Error(node.line, twice);
}

// Exactly as many hexadecimal digits as `out` has room for.
bool ReadHex(std::string_view hex, std::span<uint8_t> out) {
  if (hex.size() != 2 * out.size()) return false;
  for (size_t i = 0; i < hex.size(); ++i) {
    const char c = text::Lower(hex[i]);
    if (!text::IsDigit(c) && !(c >= 'a' && c <= 'f')) return false;
    out[i / 2] = static_cast<uint8_t>(out[i / 2] << 4 | (text::IsDigit(c) ? c - '0' : c - 'a' + 10));
  }
  return true;
}

JsonFile::Field CapabilitiesField(const JsonFile& file, CapabilitySet& set) {
  return {"capabilities", true, [&](const JsonNode& node) {
            return file.ReadArray(node, "\"capabilities\"",
                                  [&](const JsonNode& item) { return AddCapability(file, item, set); });
          }};
}

}  // namespace

std::string_view CapabilityName(Capability capability) {
  static constexpr std::string_view kNames[] = {"", "relay", "admin", "ingress"};
  return kNames[static_cast<size_t>(capability)];
}

bool CapabilitySet::Has(Capability capability) const {
  switch (capability) {
    case Capability::kNone:
      return true;
    case Capability::kRelay:
      return relay;
    case Capability::kAdmin:
      return admin;
    case Capability::kIngress:
      return ingress;
  }
  return false;
}

bool CapabilitySet::HasConnector(std::string_view app) const { return every_connector || connectors.contains(app); }

bool Grant::Has(Capability capability) const {
  return capability == Capability::kNone || (prefix != nullptr && prefix->Has(capability)) ||
         (token != nullptr && token->Has(capability));
}

bool Grant::HasConnector(std::string_view app) const {
  return (prefix != nullptr && prefix->HasConnector(app)) || (token != nullptr && token->HasConnector(app));
}

Policy Policy::LoopbackOnly() {
  Policy policy;
  const CapabilitySet all{.relay = true, .admin = true, .ingress = true, .every_connector = true, .connectors = {}};
  for (const std::string_view loopback : {"127.0.0.0/8", "::1/128"}) {
    const Prefix prefix = Prefix::Parse(loopback).value();
    policy.peers_.emplace(prefix, all);
    policy.prefix_bits_.push_back(prefix.bits);
  }
  std::sort(policy.prefix_bits_.begin(), policy.prefix_bits_.end(), std::greater<>());
  policy.refuses_proxied_ = true;
  return policy;
}

absl::StatusOr<Policy> Policy::Parse(std::string_view text, std::string_view file_name) {
  const JsonFile file(file_name);
  const absl::StatusOr<JsonNode> root = file.Parse(text);
  if (!root.ok()) return root.status();
  Policy policy;
  const auto list = [&file, &policy](std::string_view name,
                                     absl::Status (Policy::*add)(const JsonFile&, const JsonNode&)) {
    return JsonFile::Field{name, false, [&file, &policy, name, add](const JsonNode& node) {
                             return file.ReadArray(node, text::Cat("\"", name, "\""),
                                                   [&](const JsonNode& item) { return (policy.*add)(file, item); });
                           }};
  };
  const absl::Status status = file.ReadObject(
      *root, "the policy",
      {list("peers", &Policy::AddPeer),
       list("tokens", &Policy::AddToken),
       {"funnel", false, [&](const JsonNode& node) { return ReadFunnelPolicy(file, node, policy.funnel_); }}});
  if (!status.ok()) return status;
  return policy;
}

absl::StatusOr<Policy> Policy::FromPeers(const JsonFile& file, const JsonNode& peers) {
  Policy policy;
  const absl::Status status =
      file.ReadArray(peers, "\"Peers\"", [&](const JsonNode& item) { return policy.AddPeer(file, item); });
  if (!status.ok()) return status;
  return policy;
}

absl::StatusOr<Policy> Policy::Load(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadRegularFile(path, kMaxFileMib);
  return text.ok() ? Parse(*text, path) : text.status();
}

absl::Status Policy::AddPeer(const JsonFile& file, const JsonNode& node) {
  Prefix prefix;
  std::string name;
  CapabilitySet capabilities;
  const absl::Status status =
      file.ReadObject(node, "a peer",
                      {{"prefix", true, [&](const JsonNode& value) { return ReadPrefix(file, value, prefix); }},
                       {"name", false, [&](const JsonNode& value) { return file.ReadString(value, "\"name\"", name); }},
                       CapabilitiesField(file, capabilities)});
  if (!status.ok()) return status;
  if (!peers_.emplace(prefix, std::move(capabilities)).second) {
    return file.Error(node.line, text::Cat("prefix ", prefix.ToString(), " stands here twice"));
  }
  const auto place = std::lower_bound(prefix_bits_.begin(), prefix_bits_.end(), prefix.bits, std::greater<>());
  if (place == prefix_bits_.end() || *place != prefix.bits) prefix_bits_.insert(place, prefix.bits);
  return absl::OkStatus();
}

absl::Status Policy::AddToken(const JsonFile& file, const JsonNode& node) {
  Digest sha256;
  Token token;
  const auto read_digest = [&](const JsonNode& value) {
    if (value.kind == JsonNode::Kind::kString && ReadHex(value.string, sha256)) return absl::OkStatus();
    return file.Error(value.line, "\"sha256\" is not 64 hexadecimal digits");
  };
  const absl::Status status = file.ReadObject(
      node, "a token",
      {{"name", true, [&](const JsonNode& value) { return file.ReadString(value, "\"name\"", token.name); }},
       {"sha256", true, read_digest},
       CapabilitiesField(file, token.capabilities)});
  if (!status.ok()) return status;
  if (token.name.empty()) return file.Error(node.line, "a token has an empty \"name\"");
  if (!token_names_.insert(token.name).second) {
    return file.Error(node.line, text::Cat("token \"", token.name, "\" stands here twice"));
  }
  const auto [other, is_new] = tokens_.try_emplace(sha256, token);
  return is_new ? absl::OkStatus()
                : file.Error(node.line, text::Cat("tokens \"", other->second.name, "\" and \"", token.name,
                                                  "\" have one \"sha256\""));
}

Grant Policy::Find(const AddrPort& caller, std::string_view bearer) const {
  Grant grant;
  for (const uint8_t bits : prefix_bits_) {
    const auto found = peers_.find(Prefix::Of(caller, bits));
    if (found == peers_.end() || !found->first.Contains(caller)) continue;
    grant.prefix = &found->second;
    break;
  }
  if (bearer.empty() || tokens_.empty()) return grant;
  Digest digest;
  SHA256(reinterpret_cast<const unsigned char*>(bearer.data()), bearer.size(), digest.data());
  if (const auto found = tokens_.find(digest); found != tokens_.end()) {
    grant.token = &found->second.capabilities;
    grant.token_name = found->second.name;
  }
  return grant;
}

}  // namespace relay
