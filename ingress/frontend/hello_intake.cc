#include "ingress/frontend/hello_intake.h"

namespace ingress {

HelloIntake::State HelloIntake::Feed(std::string_view bytes) {
  bytes_ += bytes;
  if (awaits_proxy_) {
    ProxyHeader header;
    const ProxyState state = ReadProxyHeader(bytes_, header);
    if (state == ProxyState::kReading) return State::kReading;
    if (state == ProxyState::kMalformed) return Refuse(CloseReason::kNotTls);
    awaits_proxy_ = false;
    if (!header.local) proxy_ = header;
    bytes_.erase(0, header.size);
  }
  switch (reader_.Read(bytes_)) {
    case ClientHelloReader::State::kReading:
      return room() > 0 ? State::kReading : Refuse(CloseReason::kHelloTooBig);
    case ClientHelloReader::State::kDone:
      return State::kDone;
    case ClientHelloReader::State::kNotTls:
      return Refuse(CloseReason::kNotTls);
    case ClientHelloReader::State::kTooBig:
      return Refuse(CloseReason::kHelloTooBig);
    case ClientHelloReader::State::kBadName:
      return Refuse(CloseReason::kBadName);
  }
  return Refuse(CloseReason::kNotTls);
}

HelloIntake::State HelloIntake::Refuse(CloseReason reason) {
  reason_ = reason;
  return State::kRefused;
}

}  // namespace ingress
