#include "ingress/node/backend_responder.h"

#include <cstring>
#include <span>
#include <string>
#include <utility>

#include "ingress/node/prefixed_stream.h"

namespace ingress {

std::unique_ptr<HttpResponder> MakeBackendResponder(BackendPool& pool, HttpTransaction& transaction,
                                                    const RequestHead& head, const Backend& backend) {
  return std::make_unique<BackendResponder>(pool, transaction, head, backend);
}

BackendResponder::BackendResponder(BackendPool& pool, HttpTransaction& transaction, const RequestHead& head,
                                   Backend backend)
    : pool_(pool),
      transaction_(transaction),
      backend_(std::move(backend)),
      asked_{.head = head.method == "HEAD", .upgrade = head.upgrade_websocket},
      request_(head),
      parser_(asked_),
      timer_(pool.loop(), [this] { OnTimer(); }),
      again_(pool.loop(), [this] { Run(); }) {}

BackendResponder::~BackendResponder() = default;

void BackendResponder::Start() {
  pool_.counters_.requests.Add(1);
  if (!request_.valid()) return Fail(502, pool_.counters_.failed);
  if (Connect(false)) Run();
}

bool BackendResponder::Connect(bool fresh) {
  connection_ = pool_.Take(backend_, fresh);
  if (connection_ == nullptr) {
    Fail(503, pool_.counters_.too_many);
    return false;
  }
  if (connection_->stream() == nullptr) {
    Fail(502, pool_.counters_.failed);
    return false;
  }
  connected_ = connection_->is_reused();
  received_ = false;
  connection_->stream()->OnReady([this] { Run(); });
  last_move_ = pool_.loop().now();
  timer_.Set(connected_ ? pool_.times_.quiet : pool_.times_.connect);
  return true;
}

// Reads first: a backend that refuses a body answers and closes, and then writing fails.
void BackendResponder::Run() {
  if (connected_ && !done_ && tunnel_ == nullptr) Receive();
  if (!done_ && tunnel_ == nullptr) Send();
}

void BackendResponder::Send() {
  const bool was_connected = connected_;
  while (!send_broken_) {
    const std::string_view bytes = request_.Pending();
    if (bytes.empty()) break;
    const IoResult result = connection_->stream()->Write(bytes);
    if (result.status == IoStatus::kAgain) break;
    if (result.status != IoStatus::kOk) {
      if (!connected_) return Fail(502, pool_.counters_.failed);
      // It may have answered before it stopped reading. A request that may be repeated is not lost: Rewind.
      send_broken_ = true;
      if (!request_.is_repeatable()) request_.Discard();
      again_.Schedule();
      break;
    }
    connected_ = true;
    last_move_ = pool_.loop().now();
    request_.Sent(result.bytes);
  }
  if (!was_connected && connected_) timer_.Set(pool_.times_.quiet);
  if (const size_t consumed = request_.TakeConsumed(); consumed > 0) transaction_.Consumed(consumed);
}

void BackendResponder::Receive() {
  if (buffer_ == nullptr) buffer_ = std::make_unique_for_overwrite<char[]>(kBuffer);
  for (int reads = 0; reads < kReadsAVisit; ++reads) {
    if (!Parse()) return;
    const IoResult result = connection_->stream()->Read(std::span(buffer_.get() + end_, kBuffer - end_));
    if (result.status == IoStatus::kAgain) return;
    if (result.status != IoStatus::kOk) return OnInputEnd(result.status == IoStatus::kEnd);
    end_ += result.bytes;
    received_ = true;
    last_move_ = pool_.loop().now();
  }
  again_.Schedule();
}

// What is in the buffer. True: more may be read.
bool BackendResponder::Parse() {
  if (!PassBody()) return false;
  while (true) {
    std::string_view bytes(buffer_.get() + begin_, end_ - begin_);
    const size_t before = bytes.size();
    const ResponseParser::Event event = parser_.Next(bytes);
    begin_ += before - bytes.size();
    switch (event) {
      case ResponseParser::Event::kNeedMore:
        std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
        end_ -= std::exchange(begin_, 0);
        return true;
      case ResponseParser::Event::kHead:
        if (parser_.is_upgrade()) {
          TakeUpgrade();
          return false;
        }
        head_sent_ = parser_.head().status >= 200;
        transaction_.SendHead(parser_.head());
        break;
      case ResponseParser::Event::kBody:
        unsent_ = parser_.body();
        if (!PassBody()) return false;
        break;
      case ResponseParser::Event::kEnd:
        Complete();
        return false;
      case ResponseParser::Event::kBad:
        Fail(502, pool_.counters_.bad_responses);
        return false;
    }
  }
}

bool BackendResponder::PassBody() {
  if (unsent_.empty()) return true;
  const size_t taken = transaction_.SendBody(unsent_);
  if (taken > 0) last_move_ = pool_.loop().now();
  unsent_.remove_prefix(taken);
  return unsent_.empty();
}

void BackendResponder::TakeUpgrade() {
  std::unique_ptr<Stream> client = transaction_.Upgrade(parser_.head());
  if (client == nullptr) return Fail(502, pool_.counters_.failed);
  pool_.counters_.tunnels.Add(1);
  timer_.Cancel();
  again_.Cancel();
  std::unique_ptr<Stream> backend =
      MakePrefixedStream(connection_->TakeStream(), std::string(buffer_.get() + begin_, end_ - begin_), {});
  buffer_.reset();
  tunnel_ = std::make_unique<BytePump>(pool_.loop(), std::move(client), std::move(backend), BytePump::kIdleTime,
                                       [this](BytePump::End) {
                                         Close();
                                         transaction_.Finish({});
                                       });
}

void BackendResponder::OnInputEnd(bool orderly) {
  if (!received_ && connection_->is_reused() && request_.is_repeatable()) {
    // It was closed while the request was on its way.
    pool_.counters_.retried.Add(1);
    connection_.reset();
    send_broken_ = false;
    request_.Rewind();
    if (Connect(true)) again_.Schedule();
    return;
  }
  if (orderly && parser_.End() == ResponseParser::Event::kEnd) return Complete();
  Fail(502, head_sent_ ? pool_.counters_.cut_off : pool_.counters_.failed);
}

void BackendResponder::Complete() {
  if (parser_.keep_alive() && request_.all_sent() && !send_broken_ && begin_ == end_) {
    connection_->stream()->OnReady(nullptr);
    pool_.GiveBack(std::move(connection_));
  }
  const HttpFields trailers = parser_.trailers();
  Close();
  transaction_.Finish(trailers);
}

void BackendResponder::Fail(int status, relay::Counter& counter) {
  counter.Add(1);
  if (connection_ != nullptr && connection_->stream() != nullptr) connection_->stream()->Abort();
  Close();
  if (head_sent_ || status == 502) return transaction_.Abort();
  const std::string_view text =
      status == 503 ? "the backend has too many connections\n" : "the backend does not answer\n";
  transaction_.SendHead(
      {.status = status,
       .fields = {{"Content-Type", "text/plain; charset=utf-8"}, {"X-Content-Type-Options", "nosniff"}},
       .content_length = text.size()});
  transaction_.SendBody(text);
  transaction_.Finish({});
}

// What may still call this object is gone, but for the transaction.
void BackendResponder::Close() {
  done_ = true;
  timer_.Cancel();
  again_.Cancel();
  tunnel_.reset();
  connection_.reset();
}

void BackendResponder::OnTimer() {
  const Instant due = last_move_ + (connected_ ? pool_.times_.quiet : pool_.times_.connect);
  if (pool_.loop().now() < due) return timer_.SetAt(due);
  Fail(504, pool_.counters_.timed_out);
}

void BackendResponder::OnBody(std::string_view bytes) {
  if (done_) return;
  if (!request_.Put(bytes)) return Fail(502, pool_.counters_.failed);
  again_.Schedule();
}

void BackendResponder::OnBodyEnd(const HttpFields& trailers) {
  if (done_) return;
  if (!request_.End(trailers)) return Fail(502, pool_.counters_.failed);
  again_.Schedule();
}

void BackendResponder::OnSendReady() {
  if (!done_) Run();
}

void BackendResponder::OnAborted() {
  if (done_) return;
  pool_.counters_.client_gone.Add(1);
  if (connection_ != nullptr && connection_->stream() != nullptr) connection_->stream()->Abort();
  Close();
}

}  // namespace ingress
