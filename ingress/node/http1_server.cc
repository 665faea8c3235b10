#include "ingress/node/http1_server.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "ingress/node/http1_request_reader.h"
#include "ingress/node/http1_response.h"
#include "ingress/node/prefixed_stream.h"
#include "ingress/node/stream_buffers.h"
#include "relay/control/text.h"

namespace ingress {
namespace {

constexpr size_t kTurnSteps = 16;  // Then other connections have their turn.

// What a responder says only changes what is held here, and has Turn called from the loop: there alone bytes move,
// responders are called and destroyed, and phases end.
class Http1Connection final : public HttpConnection, public HttpTransaction {
 public:
  Http1Connection(EventLoop& loop, std::unique_ptr<Stream> stream, RequestRouter router, HttpsStats& stats,
                  std::function<void()> closed, const Http1Times& times)
      : stream_(std::move(stream)),
        router_(std::move(router)),
        stats_(stats),
        closed_(std::move(closed)),
        times_(times),
        turn_(loop, [this] { Turn(); }),
        timer_(loop, [this] { OnTimeout(); }) {
    stream_->OnReady([this] { Turn(); });
    turn_.Schedule();
  }
  ~Http1Connection() override {
    AbortIfCut();
    if (responder_ != nullptr && !answered_) responder_->OnAborted();
  }

  void Drain() override {
    draining_ = true;
    turn_.Schedule();
  }

  // HttpTransaction.
  void SendHead(const ResponseHead& head) override;
  size_t SendBody(std::string_view bytes) override;
  void Finish(const HttpFields& trailers) override;
  void Abort() override;
  void Consumed(size_t bytes) override;
  std::unique_ptr<Stream> Upgrade(const ResponseHead& head) override;

 private:
  enum class Phase : uint8_t {
    kHead,      // No request is under way.
    kExchange,  // responder_ has one.
    kEnding,    // It has answered; the answer's last bytes go out, and what is left of the request's body is dropped.
    kUpgraded,  // The responder has the stream.
    kOver,
  };
  enum class Wait : uint8_t { kNothing, kIdle, kHead, kBody, kSend };

  void Turn();
  bool Step();
  bool StepHead();
  bool StepExchange();
  bool StepEnding();
  void Begin();
  void GiveBody();
  void EndExchange();
  void NextRequest();
  void Refuse(const HttpRefusal& refusal);
  void Answer(int status, std::string_view line);
  bool MustClose() const;
  void ClientGone();
  void AbortIfCut();
  void OnTimeout();
  void End();

  void Rest();
  Wait WaitsFor() const;

  std::unique_ptr<Stream> stream_;
  RequestRouter router_;
  HttpsStats& stats_;
  std::function<void()> closed_;
  const Http1Times times_;
  Deferred turn_;
  Timer timer_;

  Phase phase_ = Phase::kHead;
  Wait wait_ = Wait::kNothing;
  bool got_body_ = false, sent_ = false;  // Since Rest.
  bool draining_ = false;
  bool has_asked_ = false;      // For anything yet.
  InBuffer in_{kMaxHttp1Head};  // A head must fit.
  OutBuffer out_;

  // Of the request under way.
  Http1RequestReader reader_;
  Http1Answer answer_;
  bool keep_alive_ = true, may_upgrade_ = false;
  size_t window_ = HttpResponder::kWindow;
  bool answered_ = false, aborted_ = false, send_blocked_ = false;
  bool close_ = false;  // Behind this answer.
  size_t dropped_ = 0;
  std::unique_ptr<HttpResponder> responder_;  // Last: destroyed before what it calls.
};

void Http1Connection::Turn() {
  if (phase_ == Phase::kOver) return;
  for (size_t i = 0; i < kTurnSteps; ++i) {
    const bool progress = Step();
    if (phase_ == Phase::kOver) return End();
    if (!progress) return Rest();
  }
  turn_.Schedule();
}

// False: nothing can be done before something happens.
bool Http1Connection::Step() {
  const OutBuffer::Flushed result = stream_ == nullptr ? OutBuffer::Flushed::kNothing : out_.Flush(*stream_);
  if (result == OutBuffer::Flushed::kBroken) {
    ClientGone();
    return true;
  }
  const bool flushed = result == OutBuffer::Flushed::kSome;
  sent_ |= flushed;
  switch (phase_) {
    case Phase::kHead:
      return StepHead() || flushed;
    case Phase::kExchange:
      return StepExchange() || flushed;
    case Phase::kEnding:
      return StepEnding() || flushed;
    case Phase::kUpgraded:
      if (answered_) phase_ = Phase::kOver;
      return answered_;
    case Phase::kOver:
      return false;
  }
  return false;
}

bool Http1Connection::StepHead() {
  in_.Take(reader_.Read(in_.unread(), 0));
  if (reader_.state() == Http1RequestReader::State::kRefused) {
    Refuse(reader_.refusal());
    return true;
  }
  if (reader_.state() != Http1RequestReader::State::kHead) {
    Begin();
    return true;
  }
  if (in_.eof() || in_.broken()) {
    phase_ = Phase::kOver;
    return true;
  }
  if (in_.Fill(*stream_)) return true;
  // Who has had an answer knows that an idle connection may end. Who has not would take it for ours.
  if (!draining_ || !has_asked_ || reader_.has_begun()) return false;
  phase_ = Phase::kOver;
  return true;
}

void Http1Connection::Begin() {
  stats_.requests.Add(1);
  has_asked_ = true;
  Http1Head& head = reader_.head();
  answer_ = Http1Answer(head.request.method == "HEAD", head.http11, head.expect_continue);
  keep_alive_ = head.keep_alive;
  may_upgrade_ = head.request.upgrade_websocket;
  const bool expects_continue = head.expect_continue;
  phase_ = Phase::kExchange;
  responder_ = router_(*this, std::move(head.request));
  responder_->Start();
  if (expects_continue && !answer_.has_head()) SendHead({.status = 100, .fields = {}, .content_length = {}});
}

bool Http1Connection::StepExchange() {
  if (answered_) {
    EndExchange();
    return true;
  }
  const bool body_due = reader_.state() == Http1RequestReader::State::kBody;
  if (in_.broken() || (body_due && in_.at_end())) {
    ClientGone();
    return true;
  }
  if (send_blocked_ && out_.unsent().size() <= kHttp1SendBuffer / 2) {
    send_blocked_ = false;
    responder_->OnSendReady();
    return true;
  }
  if (body_due && window_ > 0 && !in_.unread().empty()) {
    GiveBody();
    return true;
  }
  // Ahead, so that a client that went away is noticed; a buffer full at most.
  return in_.Fill(*stream_);
}

void Http1Connection::GiveBody() {
  in_.Take(reader_.Read(in_.unread(), window_));
  got_body_ = true;
  if (const std::string_view piece = reader_.piece(); !piece.empty()) {
    window_ -= piece.size();
    responder_->OnBody(piece);
  }
  if (answered_) return;
  if (reader_.state() == Http1RequestReader::State::kComplete) {
    responder_->OnBodyEnd(reader_.trailers());
  } else if (reader_.state() == Http1RequestReader::State::kRefused) {
    responder_->OnAborted();
    responder_.reset();
    if (!answer_.has_head()) return Refuse(reader_.refusal());
    stream_->Abort();
    stats_.aborted.Add(1);
    stats_.refused_smuggling.Add(reader_.refusal().smuggling ? 1 : 0);
    phase_ = Phase::kOver;
  }
}

void Http1Connection::EndExchange() {
  responder_.reset();
  if (aborted_ && answer_.has_head()) {
    // Its end must not look like the body's.
    stats_.aborted.Add(1);
    stream_->Abort();
    phase_ = Phase::kOver;
    return;
  }
  if (aborted_) Answer(502, "bad gateway");
  phase_ = Phase::kEnding;
}

bool Http1Connection::StepEnding() {
  using State = Http1RequestReader::State;
  if (reader_.state() == State::kBody && in_.at_end()) close_ = true;
  if (!close_ && reader_.state() == State::kBody) {
    if (in_.unread().empty()) return in_.Fill(*stream_);
    const size_t taken = reader_.Read(in_.unread(), kMaxDrainedBody);
    in_.Take(taken);
    dropped_ += taken;
    got_body_ = true;
    if (reader_.state() == State::kRefused || dropped_ > kMaxDrainedBody) close_ = true;
    return true;
  }
  if (!out_.unsent().empty()) return false;
  if (close_ || draining_ || in_.at_end()) {
    phase_ = Phase::kOver;
  } else {
    NextRequest();
  }
  return true;
}

void Http1Connection::NextRequest() {
  reader_ = Http1RequestReader();
  window_ = HttpResponder::kWindow;
  answer_ = Http1Answer();
  answered_ = aborted_ = send_blocked_ = false;
  dropped_ = 0;
  wait_ = Wait::kNothing;  // The times begin again.
  phase_ = Phase::kHead;
}

// There is no responder.
void Http1Connection::Refuse(const HttpRefusal& refusal) {
  (refusal.smuggling ? stats_.refused_smuggling : stats_.refused_malformed).Add(1);
  close_ = true;
  Answer(refusal.status, refusal.line);
  phase_ = Phase::kEnding;
}

void Http1Connection::Answer(int status, std::string_view line) {
  const std::string body = relay::text::Cat(line, "\n");
  const HttpFields fields = {{"Content-Type", "text/plain; charset=utf-8"}, {"X-Content-Type-Options", "nosniff"}};
  close_ = close_ || MustClose();
  answer_.Head({.status = status, .fields = fields, .content_length = body.size()}, close_, out_.tail());
  answer_.Body(body, SIZE_MAX, out_.tail());
  stats_.CountResponse(status);
}

bool Http1Connection::MustClose() const { return !keep_alive_ || draining_ || in_.at_end() || answer_.must_close(); }

void Http1Connection::ClientGone() {
  if (responder_ != nullptr && !answered_) responder_->OnAborted();
  if (phase_ == Phase::kExchange || phase_ == Phase::kEnding) stats_.aborted.Add(1);
  responder_.reset();
  phase_ = Phase::kOver;
}

void Http1Connection::SendHead(const ResponseHead& head) {
  if (answer_.has_head() || answered_ || stream_ == nullptr) return;
  close_ = close_ || (head.status >= 200 && MustClose());
  if (answer_.Head(head, close_, out_.tail())) stats_.CountResponse(head.status);
  turn_.Schedule();
}

size_t Http1Connection::SendBody(std::string_view bytes) {
  if (!answer_.has_head() || answered_) return bytes.size();
  const size_t room = kHttp1SendBuffer - std::min(out_.unsent().size(), kHttp1SendBuffer);
  const std::optional<size_t> taken = answer_.Body(bytes, room, out_.tail());
  turn_.Schedule();
  // More than was said would be the next answer's head.
  if (!taken) Abort();
  send_blocked_ |= taken && *taken < bytes.size();
  return taken.value_or(bytes.size());
}

void Http1Connection::Finish(const HttpFields& trailers) {
  if (answered_) return;
  aborted_ = stream_ != nullptr && !answer_.Finish(trailers, out_.tail());
  answered_ = true;
  turn_.Schedule();
}

void Http1Connection::Abort() {
  if (answered_) return;
  answered_ = aborted_ = true;
  turn_.Schedule();
}

void Http1Connection::Consumed(size_t bytes) {
  window_ = std::min(window_ + bytes, HttpResponder::kWindow);
  turn_.Schedule();
}

std::unique_ptr<Stream> Http1Connection::Upgrade(const ResponseHead& head) {
  if (!may_upgrade_ || answer_.has_head() || answered_ || stream_ == nullptr) return nullptr;
  stats_.CountResponse(101);
  stats_.upgrades.Add(1);
  AppendUpgrade(head, out_.tail());
  std::unique_ptr<Stream> stream =
      MakePrefixedStream(std::move(stream_), std::string(in_.unread()), std::string(out_.unsent()));
  in_.Release();
  out_.Release();
  timer_.Cancel();
  phase_ = Phase::kUpgraded;
  return stream;
}

Http1Connection::Wait Http1Connection::WaitsFor() const {
  const bool body_due = reader_.state() == Http1RequestReader::State::kBody;
  if (phase_ == Phase::kUpgraded) return Wait::kNothing;
  if (!out_.unsent().empty()) return Wait::kSend;
  if (phase_ == Phase::kHead) return reader_.has_begun() || draining_ ? Wait::kHead : Wait::kIdle;
  if (body_due && (phase_ == Phase::kEnding || window_ > 0)) return Wait::kBody;
  return Wait::kNothing;  // For the responder, which has times of its own.
}

// Nothing is to be done: sees to it that this does not last for ever.
void Http1Connection::Rest() {
  const Wait wait = WaitsFor();
  const bool got_body = std::exchange(got_body_, false), sent = std::exchange(sent_, false);
  const bool goes_on = (wait == Wait::kBody && got_body) || (wait == Wait::kSend && sent);
  if (wait == std::exchange(wait_, wait) && !goes_on) return;
  if (wait == Wait::kNothing) return timer_.Cancel();
  if (wait == Wait::kIdle) {
    // A connection that only waits holds no buffers.
    in_.Release();
    out_.Release();
  }
  timer_.Set(wait == Wait::kIdle ? times_.idle : wait == Wait::kHead ? times_.head : times_.stall);
}

// An answer that its connection's end would end must not look whole.
void Http1Connection::AbortIfCut() {
  const bool is_cut = (phase_ == Phase::kExchange && answer_.has_head()) || !out_.unsent().empty();
  if (is_cut && stream_ != nullptr) stream_->Abort();
}

void Http1Connection::OnTimeout() {
  if (wait_ == Wait::kHead && reader_.has_begun()) stats_.head_timeout.Add(1);
  if (wait_ == Wait::kBody) stats_.body_timeout.Add(1);
  if (wait_ == Wait::kSend) stats_.send_timeout.Add(1);
  AbortIfCut();
  ClientGone();
  End();
}

// Its owner may take its time to destroy it.
void Http1Connection::End() {
  turn_.Cancel();
  timer_.Cancel();
  stream_.reset();
  closed_();
}

}  // namespace

std::unique_ptr<HttpConnection> MakeHttp1Connection(EventLoop& loop, std::unique_ptr<Stream> stream,
                                                    RequestRouter router, HttpsStats& stats,
                                                    std::function<void()> closed, const Http1Times& times) {
  return std::make_unique<Http1Connection>(loop, std::move(stream), std::move(router), stats, std::move(closed), times);
}

}  // namespace ingress
