#include "disco/packet.h"

#include <sodium.h>

#include <algorithm>

#include "geneve/wire.h"

namespace disco {

static_assert(kNonceSize == crypto_box_NONCEBYTES && kTagSize == crypto_box_MACBYTES);

std::optional<Wrapper> ReadWrapper(std::span<const uint8_t> packet, WrapperError* error) {
  const auto fail = [error](WrapperError why) {
    if (error != nullptr) *error = why;
    return std::nullopt;
  };
  if (packet.size() < kWrapperSize) return fail(WrapperError::kShort);
  wire::Reader reader(packet);
  if (reader.Bytes<kMagic.size()>() != kMagic) return fail(WrapperError::kBadMagic);
  Wrapper wrapper;
  wrapper.sender.bytes = reader.Bytes<kKeySize>();
  wrapper.nonce = reader.Bytes<kNonceSize>();
  wrapper.box = reader.rest();
  if (error != nullptr) *error = WrapperError::kNone;
  return wrapper;
}

std::optional<std::span<const uint8_t>> Open(const Wrapper& wrapper, const SharedKey& key, std::span<uint8_t> out) {
  if (wrapper.box.size() < kTagSize || out.size() < wrapper.box.size() - kTagSize) return std::nullopt;
  if (crypto_box_open_easy_afternm(out.data(), wrapper.box.data(), wrapper.box.size(), wrapper.nonce.data(),
                                   key.bytes().data()) != 0) {
    return std::nullopt;
  }
  return out.first(wrapper.box.size() - kTagSize);
}

size_t Seal(const PublicKey& sender, const SharedKey& key, const Nonce& nonce, std::span<const uint8_t> clear,
            std::span<uint8_t> out) {
  if (out.size() < kSealedOverhead || out.size() - kSealedOverhead < clear.size()) return 0;
  wire::Writer writer(out);
  writer.Bytes(kMagic);
  writer.Bytes(sender.bytes);
  writer.Bytes(nonce);
  crypto_box_easy_afternm(out.data() + kWrapperSize, clear.data(), clear.size(), nonce.data(), key.bytes().data());
  return kSealedOverhead + clear.size();
}

Nonce RandomNonce() {
  Nonce nonce;
  randombytes_buf(nonce.data(), nonce.size());
  return nonce;
}

}  // namespace disco
