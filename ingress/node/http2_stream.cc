#include "ingress/node/http2_stream.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "ingress/node/forwarded_headers.h"
#include "ingress/node/http_syntax.h"
#include "ingress/stream.h"
#include "relay/control/text.h"

namespace ingress {
namespace {

namespace text = relay::text;

// Fields in nghttp2's form, with lower-case names; valid while it lives.
class NameValues {
 public:
  explicit NameValues(size_t most) { kept_.reserve(most), values_.reserve(most); }
  void Add(std::string_view name, std::string_view value) {
    const auto& [kept_name, kept_value] = kept_.emplace_back(text::ToLower(name), value);
    values_.push_back({.name = Bytes(kept_name),
                       .value = Bytes(kept_value),
                       .namelen = kept_name.size(),
                       .valuelen = kept_value.size(),
                       .flags = NGHTTP2_NV_FLAG_NONE});
  }
  const nghttp2_nv* data() const { return values_.data(); }
  size_t size() const { return values_.size(); }

 private:
  static uint8_t* Bytes(const std::string& s) { return reinterpret_cast<uint8_t*>(const_cast<char*>(s.data())); }

  HttpFields kept_;
  std::vector<nghttp2_nv> values_;
};

NameValues ToNameValues(const ResponseHead& head) {
  NameValues values(head.fields.size() + 2);
  values.Add(":status", text::Cat(head.status));
  for (const auto& [name, value] : head.fields) {
    if (!IsHopByHop(name) && !IsMessageFraming(name)) values.Add(name, value);
  }
  if (head.content_length && head.status >= 200 && head.status != 204) {
    values.Add("content-length", text::Cat(*head.content_length));
  }
  return values;
}

}  // namespace

Http2Stream::~Http2Stream() {
  if (responder_ != nullptr && !done_) responder_->OnAborted();
}

void Http2Stream::Answer(std::unique_ptr<HttpResponder> responder) {
  responder_ = std::move(responder);
  continue_due_ = request_.wants_continue();
  responder_->Start();
  if (continue_due_ && !head_sent_) SendHead({.status = 100, .fields = {}, .content_length = {}});
}

void Http2Stream::Refuse(int status) {
  done_ = true;
  SubmitHead({.status = status, .fields = {}, .content_length = 0}, false);
}

void Http2Stream::OnData(std::string_view bytes) {
  unconsumed_ += bytes.size();
  if (done_ || responder_ == nullptr) return Drain(bytes.size());
  responder_->OnBody(bytes);
}

void Http2Stream::Drain(size_t bytes) {
  drained_ += bytes;
  if (drained_ <= kMaxDrained) return Consumed(bytes);
  if (answer_sent_) StopBody();
}

void Http2Stream::OnDataEnd() {
  if (!done_ && responder_ != nullptr) responder_->OnBodyEnd(request_.TakeTrailers());
}

void Http2Stream::OnAnswerSent() {
  answer_sent_ = true;
  if (nghttp2_session_get_stream_remote_close(session_, id_) == 0) stop_body_.Set(kDrainTime);
}

void Http2Stream::StopBody() {
  if (!std::exchange(answer_sent_, false) || closed_) return;
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id_, NGHTTP2_NO_ERROR);  // RFC 9113 section 8.1.
  wake_.Schedule();
}

bool Http2Stream::OnClosed() {
  closed_ = true;
  stop_body_.Cancel();
  // What it holds of the connection's window goes back.
  nghttp2_session_consume_connection(session_, std::exchange(unconsumed_, 0));
  if (std::exchange(done_, true)) return false;
  if (responder_ == nullptr) return false;  // Refused by nghttp2.
  responder_->OnAborted();
  return true;
}

void Http2Stream::Settle() {
  if (starved_ && !done_ && unsent() <= kWorthMore) {
    starved_ = false;
    responder_->OnSendReady();
  }
  if (done_) responder_.reset();
}

void Http2Stream::SubmitHead(const ResponseHead& head, bool with_body) {
  const NameValues values = ToNameValues(head);
  nghttp2_data_provider provider{};
  provider.source.ptr = this;
  provider.read_callback = ReadBody;
  stats_.CountResponse(head.status);
  nghttp2_submit_response(session_, id_, values.data(), values.size(), with_body ? &provider : nullptr);
  wake_.Schedule();
}

void Http2Stream::SendHead(const ResponseHead& head) {
  if (closed_ || done_ || head_sent_) return;
  if (head.status < 200) {
    if (head.status == 100 && !std::exchange(continue_due_, false)) return;
    const NameValues values = ToNameValues(head);
    nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, id_, nullptr, values.data(), values.size(), nullptr);
    return wake_.Schedule();
  }
  head_sent_ = true;
  no_body_ = request_.is_head() || head.status == 204 || head.status == 304;
  if (no_body_) {
    head_only_ = head;
  } else {
    SubmitHead(head, true);
  }
}

size_t Http2Stream::SendBody(std::string_view bytes) {
  if (closed_ || no_body_) return bytes.size();
  const size_t taken = std::min(bytes.size(), kMaxUnsent - unsent());
  if (body_at_ >= kWorthMore) body_.erase(0, std::exchange(body_at_, 0));
  body_ += bytes.substr(0, taken);
  starved_ = taken < bytes.size();
  if (std::exchange(deferred_, false)) nghttp2_session_resume_data(session_, id_);
  if (taken > 0) wake_.Schedule();
  return taken;
}

void Http2Stream::Finish(const HttpFields& trailers) {
  if (std::exchange(done_, true)) return;
  wake_.Schedule();  // Also to let the responder go.
  if (closed_) return;
  trailers_ = trailers;
  if (head_only_) return SubmitHead(*head_only_, false);
  if (std::exchange(deferred_, false)) nghttp2_session_resume_data(session_, id_);
}

void Http2Stream::Abort() {
  if (std::exchange(done_, true)) return;
  wake_.Schedule();
  if (closed_) return;
  if (!head_sent_) return SubmitHead({.status = 502, .fields = {}, .content_length = 0}, false);
  aborted_ = true;
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id_, NGHTTP2_INTERNAL_ERROR);
}

void Http2Stream::Consumed(size_t bytes) {
  if (closed_) return;
  bytes = std::min(bytes, unconsumed_);
  unconsumed_ -= bytes;
  nghttp2_session_consume(session_, id_, bytes);
  wake_.Schedule();
}

std::unique_ptr<Stream> Http2Stream::Upgrade(const ResponseHead&) { return nullptr; }

ssize_t Http2Stream::ReadBody(nghttp2_session*, int32_t, uint8_t* buffer, size_t size, uint32_t* flags,
                              nghttp2_data_source* source, void*) {
  return static_cast<Http2Stream*>(source->ptr)->TakeBody(buffer, size, flags);
}

ssize_t Http2Stream::TakeBody(uint8_t* buffer, size_t size, uint32_t* flags) {
  if (aborted_) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;  // Never an orderly end.
  const size_t taken = std::min(size, unsent());
  std::memcpy(buffer, body_.data() + body_at_, taken);
  body_at_ += taken;
  if (unsent() == 0) {
    body_.clear();
    body_at_ = 0;
    if (done_) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (!trailers_.empty()) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        NameValues values(trailers_.size());
        for (const auto& [name, value] : trailers_) values.Add(name, value);
        nghttp2_submit_trailer(session_, id_, values.data(), values.size());
      }
    } else if (taken == 0) {
      deferred_ = true;
      return NGHTTP2_ERR_DEFERRED;
    }
  }
  return static_cast<ssize_t>(taken);
}

}  // namespace ingress
