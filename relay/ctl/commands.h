// relayctl's commands. Each prints its result on stdout, an error as one line on stderr, and returns the exit status;
// whether stdout took the result is the caller's to check.
#ifndef RELAYD_RELAY_CTL_COMMANDS_H_
#define RELAYD_RELAY_CTL_COMMANDS_H_

#include <string>
#include <string_view>

#include "relay/client/api_client.h"

namespace relay::ctl {

int Status(const client::ApiClient& api, const client::ApiClient& metrics, bool as_json);
int Sessions(const client::ApiClient& api, bool as_json);
int Allocate(const client::ApiClient& api, std::string_view key1, std::string_view key2);
// Writes the private key into a new file of mode 0600 and prints the public one; if `file` is empty, prints both, the
// public one on stderr unless it is JSON.
int Keygen(const std::string& file, bool as_json);
int Pubkey(const std::string& file);
int Drops(const client::ApiClient& metrics, bool as_json);

}  // namespace relay::ctl

#endif  // RELAYD_RELAY_CTL_COMMANDS_H_
