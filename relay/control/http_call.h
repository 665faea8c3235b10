// What the http_*.cc files of HttpApi share: a request on its way to its route.
#ifndef RELAYD_RELAY_CONTROL_HTTP_CALL_H_
#define RELAYD_RELAY_CONTROL_HTTP_CALL_H_

#include <algorithm>
#include <memory>
#include <optional>
#include <string_view>

#include "relay/control/http_api.h"
#include "relay/control/http_message.h"
#include "relay/control/policy.h"

namespace relay {

struct HttpApi::Target {
  bool absolute = false;       // `http://authority/path`, as proxies send it.
  std::string_view authority;  // Of an absolute one.
  std::string_view path, query;
};

struct HttpApi::Methods {
  std::string_view allow;  // As the Allow header has them. Empty: any, and any body; the route looks itself.
  std::string_view refusal;
  constexpr bool any() const { return allow.empty(); }
};

struct HttpApi::Route {
  std::string_view path;
  Methods methods;
  bool probe;  // Anyone may call it, whatever the Host.
  Capability capability;
  void (HttpApi::*serve)(const Call& call);
};

struct HttpApi::Call {
  const HttpRequest& request;
  const Route* route;  // nullptr: unknown path.
  Target target;
  Grant grant;
  const std::shared_ptr<Exchange>& exchange;
};

// The value of the first field so called in a query, as it was sent; nullopt: there is none.
inline std::optional<std::string_view> QueryValue(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    if (pair.starts_with(name) && pair.substr(name.size(), 1) == "=") return pair.substr(name.size() + 1);
  }
  return std::nullopt;
}

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_HTTP_CALL_H_
