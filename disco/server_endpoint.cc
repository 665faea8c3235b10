#include "disco/server_endpoint.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "disco/go_duration.h"

namespace disco {
namespace {

namespace json = boost::json;

constexpr size_t kMaxDepth = 256;     // Ours need two. Unknown fields may go deeper: a value is destroyed recursively.
constexpr size_t kArenaBytes = 4096;  // On the stack: a usual body is parsed without the heap.

absl::Status Invalid(std::string_view field, std::string_view what) {
  return absl::InvalidArgumentError(std::string(field).append(": ").append(what));
}

bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

// The field's value if `name` is its name in any letter case, and not null, which Go reads as "leave it as it is".
const json::value* Field(const json::key_value_pair& member, std::string_view name) {
  const json::string_view key = member.key();
  if (!EqualsIgnoreCase({key.data(), key.size()}, name)) return nullptr;
  return member.value().is_null() ? nullptr : &member.value();
}

// nullopt: not a string.
std::optional<std::string_view> Text(const json::value& value) {
  const json::string* text = value.if_string();
  if (text == nullptr) return std::nullopt;
  return std::string_view(text->data(), text->size());
}

absl::StatusOr<json::value> ParseObject(std::string_view text, json::storage_ptr arena) {
  json::parse_options options;
  options.max_depth = kMaxDepth;
  json::error_code error;
  json::value value = json::parse({text.data(), text.size()}, error, std::move(arena), options);
  if (error) return Invalid("not JSON", error.message());
  if (value.is_null()) return json::value(json::object_kind);
  if (!value.is_object()) return absl::InvalidArgumentError("not a JSON object");
  return value;
}

absl::Status ReadKey(std::string_view field, const json::value& value, PublicKey& out) {
  if (value.is_null()) return absl::OkStatus();
  const std::optional<std::string_view> text = Text(value);
  const std::optional<PublicKey> key = text ? PublicKey::Parse(*text) : std::nullopt;
  if (!key) return Invalid(field, "not of the form discokey:<64 hex digits>");
  out = *key;
  return absl::OkStatus();
}

// As Go fills a [2]key.DiscoPublic: what is missing stays zero, what is over is not looked at.
absl::Status ReadClients(std::string_view field, const json::value& value, std::array<PublicKey, 2>& out) {
  const json::array* list = value.if_array();
  if (list == nullptr) return Invalid(field, "not a list");
  out = {};
  for (size_t i = 0; i < list->size() && i < out.size(); ++i) {
    if (absl::Status status = ReadKey(field, (*list)[i], out[i]); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status ReadNumber(std::string_view field, const json::value& value, uint64_t max, uint64_t& out) {
  json::error_code error;
  const bool integer = value.is_int64() || value.is_uint64();
  const uint64_t number = integer ? value.to_number<uint64_t>(error) : 0;
  if (!integer || error || number > max) return Invalid(field, "not a whole number of at most " + std::to_string(max));
  out = number;
  return absl::OkStatus();
}

absl::Status ReadDuration(std::string_view field, const json::value& value, std::chrono::nanoseconds& out) {
  const std::optional<std::string_view> text = Text(value);
  const std::optional<std::chrono::nanoseconds> duration = text ? ParseGoDuration(*text) : std::nullopt;
  if (!duration) return Invalid(field, "not a duration such as \"30s\"");
  out = *duration;
  return absl::OkStatus();
}

absl::Status ReadAddrPorts(std::string_view field, const json::value& value, std::vector<AddrPort>& out) {
  const json::array* list = value.if_array();
  if (list == nullptr) return Invalid(field, "not a list");
  out.clear();
  for (const json::value& element : *list) {
    const std::optional<std::string_view> text = Text(element);
    const std::optional<AddrPort> addr = text ? AddrPort::Parse(*text) : std::nullopt;
    if (!addr) return Invalid(field, "not an ip:port");
    out.push_back(*addr);
  }
  return absl::OkStatus();
}

absl::Status ReadField(const json::key_value_pair& member, RelayEndpoint& out) {
  if (const auto* v = Field(member, "ServerDisco")) return ReadKey("ServerDisco", *v, out.server_disco);
  if (const auto* v = Field(member, "ClientDisco")) return ReadClients("ClientDisco", *v, out.client_disco);
  if (const auto* v = Field(member, "LamportID")) return ReadNumber("LamportID", *v, UINT64_MAX, out.lamport_id);
  if (const auto* v = Field(member, "AddrPorts")) return ReadAddrPorts("AddrPorts", *v, out.addr_ports);
  if (const auto* v = Field(member, "BindLifetime")) return ReadDuration("BindLifetime", *v, out.bind_lifetime);
  if (const auto* v = Field(member, "SteadyStateLifetime")) {
    return ReadDuration("SteadyStateLifetime", *v, out.steady_state_lifetime);
  }
  if (const auto* v = Field(member, "VNI")) {
    uint64_t vni = 0;
    absl::Status status = ReadNumber("VNI", *v, UINT32_MAX, vni);
    if (status.ok()) out.vni = static_cast<uint32_t>(vni);
    return status;
  }
  return absl::OkStatus();
}

// None of what is written here needs escaping.
template <typename Range>
void AppendList(std::string& out, const Range& items) {
  std::string_view before = "[\"";
  for (const auto& item : items) {
    out.append(before).append(item.ToString()).append("\"");
    before = ",\"";
  }
  out.append(items.empty() ? "[]" : "]");
}

}  // namespace

std::string ServerEndpointToJson(const RelayEndpoint& endpoint) {
  std::string out;
  out.reserve(448 + 48 * endpoint.addr_ports.size());
  out.append("{\"ServerDisco\":\"").append(endpoint.server_disco.ToString());
  out.append("\",\"ClientDisco\":");
  AppendList(out, endpoint.client_disco);
  out.append(",\"LamportID\":").append(std::to_string(endpoint.lamport_id));
  out.append(",\"AddrPorts\":");
  AppendList(out, endpoint.addr_ports);
  out.append(",\"VNI\":").append(std::to_string(endpoint.vni));
  out.append(",\"BindLifetime\":\"").append(FormatGoDuration(endpoint.bind_lifetime));
  out.append("\",\"SteadyStateLifetime\":\"").append(FormatGoDuration(endpoint.steady_state_lifetime));
  out.append("\"}");
  return out;
}

absl::StatusOr<RelayEndpoint> ParseServerEndpoint(std::string_view text) {
  std::array<unsigned char, kArenaBytes> buffer;
  json::monotonic_resource arena(buffer.data(), buffer.size());
  const absl::StatusOr<json::value> object = ParseObject(text, &arena);
  if (!object.ok()) return object.status();
  RelayEndpoint endpoint;
  for (const json::key_value_pair& member : object->get_object()) {
    if (absl::Status status = ReadField(member, endpoint); !status.ok()) return status;
  }
  return endpoint;
}

std::string AllocateRequestToJson(const std::array<PublicKey, 2>& keys) {
  std::string out = "{\"DiscoKeys\":";
  AppendList(out, keys);
  return out + '}';
}

absl::StatusOr<std::array<PublicKey, 2>> ParseAllocateRequest(std::string_view text) {
  std::array<unsigned char, kArenaBytes> buffer;
  json::monotonic_resource arena(buffer.data(), buffer.size());
  const absl::StatusOr<json::value> object = ParseObject(text, &arena);
  if (!object.ok()) return object.status();
  std::optional<std::array<PublicKey, 2>> keys;
  for (const json::key_value_pair& member : object->get_object()) {
    const json::value* value = Field(member, "DiscoKeys");
    if (value == nullptr) continue;
    const json::array* list = value->if_array();
    if (list == nullptr || list->size() != 2) return Invalid("DiscoKeys", "not a list of two keys");
    keys.emplace();
    for (size_t i = 0; i < 2; ++i) {
      if ((*list)[i].is_null()) return Invalid("DiscoKeys", "null is not a key");
      if (absl::Status status = ReadKey("DiscoKeys", (*list)[i], (*keys)[i]); !status.ok()) return status;
    }
  }
  if (!keys) return Invalid("DiscoKeys", "missing");
  return *keys;
}

}  // namespace disco
