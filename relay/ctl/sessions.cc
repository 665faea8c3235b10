#include "relay/ctl/sessions.h"

#include <array>
#include <boost/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace relay::ctl {
namespace {

namespace json = boost::json;

constexpr int kPageLimit = 1000;  // The API's own default: no page keeps the relay's control thread long.

// What a terminal may be shown of a text that another program sent.
std::string Printable(const json::value& value) {
  std::string text(value.as_string());
  for (char& c : text) c = absl::ascii_isprint(static_cast<unsigned char>(c)) ? c : '?';
  return text;
}

SessionClient ReadClient(const json::object& object) {
  return {.endpoint = Printable(object.at("Endpoint")),
          .short_disco = Printable(object.at("ShortDisco")),
          .packets_tx = object.at("PacketsTx").to_number<uint64_t>(),
          .bytes_tx = object.at("BytesTx").to_number<uint64_t>()};
}

json::object ClientToJson(const SessionClient& client) {
  return {{"Endpoint", client.endpoint},
          {"ShortDisco", client.short_disco},
          {"PacketsTx", client.packets_tx},
          {"BytesTx", client.bytes_tx}};
}

}  // namespace

absl::StatusOr<SessionPage> ParseSessionPage(std::string_view text) {
  // Boost.JSON's accessors throw on what is missing or of another type; it ends here.
  try {
    const json::value document = json::parse(json::string_view(text.data(), text.size()));
    SessionPage page;
    page.udp_port = document.at("UDPPort").to_number<uint16_t>();
    for (const json::value& entry : document.at("Sessions").as_array()) {
      const json::object& session = entry.as_object();
      page.sessions.push_back(
          {.vni = session.at("VNI").to_number<uint32_t>(),
           .clients = {ReadClient(session.at("Client1").as_object()), ReadClient(session.at("Client2").as_object())}});
    }
    return page;
  } catch (const std::exception&) {
    return absl::InternalError("the answer is no list of sessions");
  }
}

absl::StatusOr<SessionPage> FetchSessions(const client::ApiClient& api) {
  SessionPage all;
  uint32_t after = 0;
  while (true) {
    const auto response = api.Get(absl::StrCat("/v0/relay/sessions?after=", after, "&limit=", kPageLimit));
    if (!response.ok()) return response.status();
    if (response->status != 200) return absl::FailedPreconditionError(client::DescribeRefusal(*response));
    absl::StatusOr<SessionPage> page = ParseSessionPage(response->body);
    if (!page.ok()) return page.status();
    for (Session& session : page->sessions) {
      if (session.vni <= after) return absl::InternalError("the answer's VNIs do not rise");
      after = session.vni;
      all.sessions.push_back(std::move(session));
    }
    all.udp_port = page->udp_port;
    if (page->sessions.size() < kPageLimit) return all;
  }
}

std::string SessionToJson(const Session& session) {
  return json::serialize(json::object{{"VNI", session.vni},
                                      {"Client1", ClientToJson(session.clients[0])},
                                      {"Client2", ClientToJson(session.clients[1])}});
}

std::string SessionTableHead() {
  return absl::StrFormat("%-9s %-19s %-42s %14s %18s\n", "VNI", "CLIENT", "ENDPOINT", "PACKETS SENT", "BYTES SENT");
}

std::string SessionToRows(const Session& session) {
  std::string rows;
  for (size_t i = 0; i < 2; ++i) {
    const SessionClient& c = session.clients[i];
    absl::StrAppendFormat(&rows, "%-9s %-19s %-42s %14d %18d\n", i == 0 ? absl::StrCat(session.vni) : "", c.short_disco,
                          c.endpoint.empty() ? "-" : c.endpoint, c.packets_tx, c.bytes_tx);
  }
  return rows;
}

}  // namespace relay::ctl
