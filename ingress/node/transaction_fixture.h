// For tests: a client's side that takes as much of an answer as the test lets it.
#ifndef RELAYD_INGRESS_NODE_TRANSACTION_FIXTURE_H_
#define RELAYD_INGRESS_NODE_TRANSACTION_FIXTURE_H_

#include <algorithm>
#include <memory>
#include <string>

#include "ingress/node/http_exchange.h"
#include "ingress/node/http_syntax.h"

namespace ingress {

class FakeTransaction : public HttpTransaction {
 public:
  void SendHead(const ResponseHead& sent) override { head = sent; }
  size_t SendBody(std::string_view bytes) override {
    const size_t size = std::min(bytes.size(), room - std::min(room, taken));
    body += bytes.substr(0, size);
    taken += size;
    return size;
  }
  void Finish(const HttpFields&) override { finished = true; }
  void Abort() override { aborted = true; }
  void Consumed(size_t) override {}
  std::unique_ptr<Stream> Upgrade(const ResponseHead&) override { return nullptr; }

  // Starts `responder`, and goes on until it has done with us, taking `piece` bytes a time.
  void Run(HttpResponder& responder, size_t piece = SIZE_MAX) {
    room = piece;
    responder.Start();
    while (!finished && !aborted) {
      taken = 0;
      responder.OnSendReady();
    }
  }
  std::string Field(std::string_view name) const {
    const std::string* const value = FindField(head.fields, name);
    return value == nullptr ? "" : *value;
  }

  ResponseHead head{.status = 0, .fields = {}, .content_length = {}};
  std::string body;
  bool finished = false, aborted = false;
  size_t room = SIZE_MAX, taken = 0;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_TRANSACTION_FIXTURE_H_
