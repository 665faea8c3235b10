// Disco: the bytes are taken as a clear text, as a whole packet, and as what is to be sealed.
#include <vector>

#include "disco/key.h"
#include "disco/messages.h"
#include "disco/packet.h"
#include "tests/fuzz/check.h"

namespace {

using fuzz::Check;

// The box key of the vectors' server and client_a, so that the corpus' packets open.
const disco::SharedKey& Key() {
  static const disco::SharedKey key(std::array<uint8_t, disco::kKeySize>{
      0xf8, 0xd4, 0x8c, 0x07, 0x71, 0xb2, 0xfa, 0xb0, 0x58, 0x01, 0x10, 0x62, 0x68, 0x83, 0xf7, 0x67,
      0x1e, 0x7d, 0x00, 0x01, 0xa6, 0x82, 0x3f, 0x3a, 0xd9, 0xe9, 0x3d, 0x8e, 0xf1, 0x77, 0xe8, 0xfc});
  return key;
}

// Messages that the wire cannot carry back: an endpoint without addresses, and a ping whose padding is long enough to
// be taken for the key that it lacks. Both come from the parser, which is as lax as the reference.
bool ParsesToItself(const disco::Message& message) {
  if (const auto* via = std::get_if<disco::CallMeMaybeVia>(&message)) return !via->addr_ports.empty();
  if (const auto* answer = std::get_if<disco::AllocateUdpRelayEndpointResponse>(&message)) {
    return !answer->addr_ports.empty();
  }
  const auto* ping = std::get_if<disco::Ping>(&message);
  return ping == nullptr || !ping->node_key.IsZero() || ping->padding < disco::kKeySize;
}

void ClearText(std::span<const uint8_t> clear) {
  const auto parsed = disco::Parse(clear);
  const auto* message = std::get_if<disco::Message>(&parsed);
  if (message == nullptr) return;
  const std::vector<uint8_t> bytes = disco::Marshal(*message);
  const bool is_zero_value = clear[1] != 0;  // Another version: the parser gives a zero value, which may be longer.
  Check(is_zero_value || bytes.size() <= clear.size(), "a message is written no longer than it was read");
  if (!ParsesToItself(*message)) return;
  Check(disco::Parse(bytes) == parsed, "a written message parses to itself");
}

void Packet(std::span<const uint8_t> packet) {
  disco::WrapperError error{};
  const std::optional<disco::Wrapper> wrapper = disco::ReadWrapper(packet, &error);
  Check(wrapper.has_value() == (error == disco::WrapperError::kNone), "an error has its reason");
  if (!wrapper) return;
  Check(wrapper->box.size() + disco::kWrapperSize == packet.size(), "the box is all of the rest");
  std::vector<uint8_t> room(packet.size());
  if (const auto clear = disco::Open(*wrapper, Key(), room)) {
    Check(clear->size() + disco::kSealedOverhead == packet.size(), "a box adds a tag");
    ClearText(*clear);
  }
}

void SealThenOpen(std::span<const uint8_t> clear) {
  std::vector<uint8_t> packet(disco::kSealedOverhead + clear.size());
  Check(disco::Seal(disco::PublicKey{}, Key(), disco::Nonce{}, clear, packet) == packet.size(), "it fits");
  std::vector<uint8_t> room(clear.size());
  const auto opened = disco::Open(*disco::ReadWrapper(packet), Key(), room);
  Check(opened && std::equal(opened->begin(), opened->end(), clear.begin(), clear.end()), "what is sealed opens");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  disco::InitCrypto();
  ClearText({data, size});
  Packet({data, size});
  SealThenOpen({data, size});
  return 0;
}
