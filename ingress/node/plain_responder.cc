#include "ingress/node/plain_responder.h"

#include <ctime>
#include <utility>

#include "ingress/node/http_date.h"
#include "relay/control/text.h"

namespace ingress {
namespace {

class PlainResponder final : public HttpResponder {
 public:
  PlainResponder(HttpTransaction& transaction, ResponseHead head, std::string body)
      : transaction_(transaction), head_(std::move(head)), body_(std::move(body)) {}

  void Start() override {
    head_.content_length = body_.size();
    head_.fields.emplace_back("Date", FormatHttpDate(std::time(nullptr)));
    transaction_.SendHead(head_);
    OnSendReady();
  }
  void OnSendReady() override {
    sent_ += transaction_.SendBody(std::string_view(body_).substr(sent_));
    if (sent_ == body_.size()) transaction_.Finish({});
  }
  void OnBody(std::string_view bytes) override { transaction_.Consumed(bytes.size()); }
  void OnBodyEnd(const HttpFields&) override {}
  void OnAborted() override {}

 private:
  HttpTransaction& transaction_;
  ResponseHead head_;
  const std::string body_;
  size_t sent_ = 0;
};

HttpFields PlainText(HttpFields fields) {
  fields.emplace_back("Content-Type", "text/plain; charset=utf-8");
  fields.emplace_back("X-Content-Type-Options", "nosniff");
  return fields;
}

}  // namespace

std::unique_ptr<HttpResponder> MakePlainResponder(HttpTransaction& transaction, ResponseHead head, std::string body) {
  return std::make_unique<PlainResponder>(transaction, std::move(head), std::move(body));
}

std::unique_ptr<HttpResponder> MakeTextResponder(HttpTransaction& transaction, std::string text) {
  return MakePlainResponder(transaction, {.status = 200, .fields = PlainText({}), .content_length = {}},
                            std::move(text));
}

std::unique_ptr<HttpResponder> MakeRedirectResponder(HttpTransaction& transaction, int status,
                                                     std::string_view location) {
  HttpFields fields = PlainText({{"Location", std::string(location)}});
  return MakePlainResponder(transaction, {.status = status, .fields = std::move(fields), .content_length = {}},
                            relay::text::Cat(location, "\n"));
}

std::unique_ptr<HttpResponder> MakeErrorResponder(HttpTransaction& transaction, int status, std::string_view line,
                                                  HttpFields fields) {
  return MakePlainResponder(transaction,
                            {.status = status, .fields = PlainText(std::move(fields)), .content_length = {}},
                            relay::text::Cat(line, "\n"));
}

}  // namespace ingress
