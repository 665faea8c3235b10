#include "bench/relay_bench/pairs.h"

#include <boost/json.hpp>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "disco/server_endpoint.h"

namespace bench {

uint32_t KeysFor(uint32_t pairs) {
  uint64_t keys = 2;
  while (keys * (keys - 1) / 2 < pairs) ++keys;
  return static_cast<uint32_t>(keys);
}

std::array<uint32_t, 2> KeysOfPair(uint32_t pair) {
  // The pairs before key k came into play are k (k - 1) / 2.
  auto k = static_cast<uint64_t>((1 + std::sqrt(1 + 8 * static_cast<double>(pair))) / 2);
  while (k * (k - 1) / 2 > pair) --k;
  while (k * (k + 1) / 2 <= pair) ++k;
  return {static_cast<uint32_t>(pair - k * (k - 1) / 2), static_cast<uint32_t>(k)};
}

uint32_t Keyring::Add(disco::PrivateKey key) {
  keys_.push_back(std::move(key));
  return size() - 1;
}

uint32_t Keyring::Server(const disco::PublicKey& key) {
  for (uint32_t i = 0; i < servers_.size(); ++i) {
    if (servers_[i].key == key) return i;
  }
  servers_.push_back({.key = key, .shared = {}, .known = {}});
  return static_cast<uint32_t>(servers_.size() - 1);
}

absl::StatusOr<disco::SharedKey> Keyring::Shared(uint32_t index, uint32_t server) {
  ServerKeys& known = servers_[server];
  if (known.shared.size() < keys_.size()) {
    known.shared.resize(keys_.size());
    known.known.resize(keys_.size());
  }
  if (!known.known[index]) {
    const auto shared = keys_[index].Agree(known.key);
    if (!shared) return absl::UnavailableError("the server's key " + known.key.ToString() + " is of low order");
    known.shared[index] = *shared;
    known.known[index] = true;
  }
  return known.shared[index];
}

std::string SavedEndpointToJson(const disco::RelayEndpoint& endpoint, const disco::PrivateKey& a,
                                const disco::PrivateKey& b) {
  return absl::StrCat("{\"Endpoint\":", disco::ServerEndpointToJson(endpoint), ",\"PrivateKeys\":[\"", a.ToString(),
                      "\",\"", b.ToString(), "\"]}");
}

absl::StatusOr<SavedEndpoint> ParseSavedEndpoint(const std::string& line) {
  boost::system::error_code ec;
  const boost::json::value json = boost::json::parse(line, ec);
  if (ec || !json.is_object()) return absl::InvalidArgumentError("not a JSON object");
  const auto* const endpoint = json.as_object().if_contains("Endpoint");
  const auto* const keys = json.as_object().if_contains("PrivateKeys");
  if (endpoint == nullptr || keys == nullptr || !keys->is_array() || keys->as_array().size() != 2) {
    return absl::InvalidArgumentError("there must be \"Endpoint\" and two \"PrivateKeys\"");
  }
  auto parsed = disco::ParseServerEndpoint(boost::json::serialize(*endpoint));
  if (!parsed.ok()) return parsed.status();
  SavedEndpoint saved{.endpoint = *std::move(parsed), .private_keys = {}};
  for (size_t i = 0; i < 2; ++i) {
    const auto& key = keys->as_array()[i];
    if (!key.is_string()) return absl::InvalidArgumentError("a private key is a string");
    saved.private_keys[i] = std::string(key.as_string());
  }
  return saved;
}

}  // namespace bench
