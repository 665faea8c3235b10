// Answers with a file.
#ifndef RELAYD_INGRESS_NODE_FILE_RESPONDER_H_
#define RELAYD_INGRESS_NODE_FILE_RESPONDER_H_

#include <memory>
#include <string>
#include <string_view>

#include "ingress/node/http_exchange.h"
#include "ingress/node/https_stats.h"

namespace ingress {

// `root`: a file, which is answered to `/` alone, or a folder, whose files are answered, `index.html` for a folder in
// it. `path` is decoded and begins with a slash. What is outside of the folder, is no file or may not be read is 404;
// there is no listing. A folder's path without its slash at the end is redirected to the one with it, so that links in
// it work. GET and HEAD.
//
// Files are read on the loop's thread, 64 KiB at a time as the client takes them: what a node serves is in the page
// cache or on a local disk, and a thread of its own would cost more than it saves. Network file systems are no good
// here. As long as one is sent it is open, of which there are `open.most` at most (503); `open` outlives the responder.
std::unique_ptr<HttpResponder> MakeFileResponder(HttpTransaction& transaction, const RequestHead& request,
                                                 const std::string& root, std::string_view path, OpenFiles& open);

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_FILE_RESPONDER_H_
