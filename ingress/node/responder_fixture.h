// For tests: a responder that a test plays, and what it was told.
#ifndef RELAYD_INGRESS_NODE_RESPONDER_FIXTURE_H_
#define RELAYD_INGRESS_NODE_RESPONDER_FIXTURE_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ingress/node/http_exchange.h"

namespace ingress {

// What happened to one request. Outlives its responder.
struct Exchanged {
  HttpTransaction* transaction = nullptr;  // Valid while the responder lives.
  RequestHead head;
  std::string body;
  size_t unconsumed = 0;
  bool body_ended = false, aborted = false, destroyed = false;
  HttpFields trailers;
  int send_ready = 0;
};

// Routes every request to a responder that notes what it is told, and does what the test says at Start.
class FakeBackend {
 public:
  std::function<void(Exchanged&)> on_start = [](Exchanged&) {};
  std::function<void(Exchanged&)> on_send_ready = [](Exchanged&) {};
  std::function<void(Exchanged&)> on_body_end = [](Exchanged&) {};
  bool consume = true;  // The body, at once.
  std::vector<std::shared_ptr<Exchanged>> exchanges;

  Exchanged& last() { return *exchanges.back(); }
  RequestRouter router() {
    return [this](HttpTransaction& transaction, RequestHead head) { return Make(transaction, std::move(head)); };
  }
  std::unique_ptr<HttpResponder> Make(HttpTransaction& transaction, RequestHead head) {
    auto exchange = std::make_shared<Exchanged>();
    exchange->transaction = &transaction;
    exchange->head = std::move(head);
    exchanges.push_back(exchange);
    return std::make_unique<Responder>(*this, exchange);
  }

  // A whole answer.
  static void Answer(Exchanged& exchange, std::string_view body, int status = 200) {
    exchange.transaction->SendHead({.status = status, .fields = {}, .content_length = body.size()});
    exchange.transaction->SendBody(body);
    exchange.transaction->Finish({});
  }

 private:
  class Responder : public HttpResponder {
   public:
    Responder(FakeBackend& backend, std::shared_ptr<Exchanged> exchange)
        : backend_(backend), exchange_(std::move(exchange)) {}
    ~Responder() override { exchange_->destroyed = true; }
    void Start() override { backend_.on_start(*exchange_); }
    void OnBody(std::string_view bytes) override {
      exchange_->body += bytes;
      if (backend_.consume) return exchange_->transaction->Consumed(bytes.size());
      exchange_->unconsumed += bytes.size();
    }
    void OnBodyEnd(const HttpFields& trailers) override {
      exchange_->body_ended = true;
      exchange_->trailers = trailers;
      backend_.on_body_end(*exchange_);
    }
    void OnSendReady() override {
      ++exchange_->send_ready;
      backend_.on_send_ready(*exchange_);
    }
    void OnAborted() override { exchange_->aborted = true; }

   private:
    FakeBackend& backend_;
    std::shared_ptr<Exchanged> exchange_;
  };
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_RESPONDER_FIXTURE_H_
