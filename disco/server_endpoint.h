// ServerEndpoint, what an allocation answers, as Go's encoding/json writes and reads the reference's struct
// (tailscale net/udprelay/endpoint ServerEndpoint).
#ifndef RELAYD_DISCO_SERVER_ENDPOINT_H_
#define RELAYD_DISCO_SERVER_ENDPOINT_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "disco/messages.h"

namespace disco {

// {"ServerDisco":…,"ClientDisco":[…,…],"LamportID":…,"AddrPorts":[…],"VNI":…,"BindLifetime":"30s",
// "SteadyStateLifetime":"5m0s"}, without a newline at the end.
std::string ServerEndpointToJson(const RelayEndpoint& endpoint);
// Field names match in any letter case and unknown ones are ignored, as in Go; what is missing stays zero.
absl::StatusOr<RelayEndpoint> ParseServerEndpoint(std::string_view json);

// {"DiscoKeys":["discokey:…","discokey:…"]}. Exactly two well-formed keys, or an error that says what is wrong in one
// line.
std::string AllocateRequestToJson(const std::array<PublicKey, 2>& keys);
absl::StatusOr<std::array<PublicKey, 2>> ParseAllocateRequest(std::string_view json);

}  // namespace disco

#endif  // RELAYD_DISCO_SERVER_ENDPOINT_H_
