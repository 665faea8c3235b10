#include "relay/control/session_list.h"

#include "geneve/geneve.h"
#include "relay/control/text.h"

namespace relay {
namespace {

void AppendClient(const Endpoint& endpoint, size_t leg, std::string& json) {
  Path path;
  const bool bound = endpoint.binding[leg].Load(path);
  text::AppendAll(json, "\"Client", leg + 1, "\":{\"Endpoint\":\"", bound ? path.remote.ToString() : "",
                  "\",\"ShortDisco\":\"", endpoint.clients()[leg].ShortText(),
                  "\",\"PacketsTx\":", endpoint.packets(leg), ",\"BytesTx\":", endpoint.bytes(leg), "}");
}

}  // namespace

SessionList::SessionList(EndpointTable& table, uint16_t udp_port, uint32_t after, uint32_t limit)
    : table_(table), last_vni_(after), left_(limit), json_(text::Cat("{\"UDPPort\":", udp_port, ",\"Sessions\":[")) {}

bool SessionList::Step(uint32_t budget) {
  for (; left_ > 0; --left_, --budget) {
    if (budget == 0) return false;
    const uint32_t vni = last_vni_ < geneve::kMaxVni ? table_.NextVni(last_vni_) : 0;
    if (vni == 0) break;
    last_vni_ = vni;
    const Endpoint& endpoint = *table_.Find(vni);
    text::AppendAll(json_, first_ ? "" : ",", "{\"VNI\":", vni, ",");
    first_ = false;
    AppendClient(endpoint, 0, json_);
    json_ += ',';
    AppendClient(endpoint, 1, json_);
    json_ += '}';
  }
  json_ += "]}\n";
  return true;
}

}  // namespace relay
