// Where a request's path leads: which mount, and what is left of it there.
#ifndef RELAYD_INGRESS_NODE_REQUEST_PATH_H_
#define RELAYD_INGRESS_NODE_REQUEST_PATH_H_

#include <optional>
#include <string>
#include <string_view>

#include "ingress/node/serve_config.h"

namespace ingress {

// Percent-decoded, each backslash a slash, and slashes in a row one. nullopt: no backend would agree with another on
// where it leads: a bad escape, a control character, a backslash as such, or a segment `.` or `..` (before any `;`),
// however they are written. No browser sends these.
std::optional<std::string> DecodePath(std::string_view path);

struct MountedPath {
  const HandlerConfig* handler = nullptr;
  std::string path;        // Behind the mount, as sent; begins with one slash.
  std::string decoded;     // The same, decoded.
  std::string_view query;  // With its `?`; empty: none.
};

// Of the site's handlers, the one for `target` (`/path?query`). Mounts are compared with the path as it was sent;
// should the decoded path lead to another mount, then a backend might see one that was not meant for it: 400. So is a
// remainder that begins with two slashes, which some take for a host. 404: there is none. 0: `out` is filled.
int FindMount(const WebSite& site, std::string_view target, MountedPath& out);

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_REQUEST_PATH_H_
