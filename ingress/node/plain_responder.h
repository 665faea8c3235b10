// Answers that are ready at once: a text, a redirect, an error.
#ifndef RELAYD_INGRESS_NODE_PLAIN_RESPONDER_H_
#define RELAYD_INGRESS_NODE_PLAIN_RESPONDER_H_

#include <memory>
#include <string>
#include <string_view>

#include "ingress/node/http_exchange.h"

namespace ingress {

// Answers `head` with `body`, whose length it is given, at Start. Of the request's body nothing is looked at.
std::unique_ptr<HttpResponder> MakePlainResponder(HttpTransaction& transaction, ResponseHead head, std::string body);

std::unique_ptr<HttpResponder> MakeTextResponder(HttpTransaction& transaction, std::string text);
std::unique_ptr<HttpResponder> MakeRedirectResponder(HttpTransaction& transaction, int status,
                                                     std::string_view location);
// An error is one line of text.
std::unique_ptr<HttpResponder> MakeErrorResponder(HttpTransaction& transaction, int status, std::string_view line,
                                                  HttpFields fields = {});

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_PLAIN_RESPONDER_H_
