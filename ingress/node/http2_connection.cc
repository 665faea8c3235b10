#include "ingress/node/http2_connection.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "ingress/node/http2_request.h"
#include "ingress/node/http2_session.h"

namespace ingress {

Http2Connection::Http2Connection(EventLoop& loop, std::unique_ptr<Stream> stream, RequestRouter router,
                                 HttpsStats& stats, std::function<void()> closed, const Http2Limits& limits)
    : loop_(loop),
      stream_(std::move(stream)),
      router_(std::move(router)),
      stats_(stats),
      closed_(std::move(closed)),
      limits_(limits),
      wake_(loop, [this] { Run(); }),
      timer_(loop, [this] { OnTimer(); }),
      session_(MakeHttp2Session(*this)),
      resets_{.bucket = relay::TokenBucket::Of(limits.resets_per_s, limits.resets_burst)},
      idle_frames_{.bucket = relay::TokenBucket::Of(limits.idle_frames_per_s, limits.idle_frames_burst)},
      last_move_(loop.now()),
      quiet_since_(loop.now()) {
  stream_->OnReady([this] { Run(); });
  timer_.Set(limits_.idle);
  wake_.Schedule();  // There may be bytes already.
}

Http2Connection::~Http2Connection() = default;

void Http2Connection::Drain() {
  if (over_) return;
  nghttp2_submit_goaway(session_.get(), NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_.get()),
                        NGHTTP2_NO_ERROR, nullptr, 0);
  wake_.Schedule();
}

void Http2Connection::Run() {
  Receive();
  Send();
  Settle();
  if (over_) End();
}

void Http2Connection::Receive() {
  static thread_local std::vector<char> buffer(65'536);  // On the heap: a thread's static memory is its stack's.
  for (int reads = 0; reads < kReadsAVisit && !over_; ++reads) {
    const IoResult result = stream_->Read(buffer);
    if (result.status == IoStatus::kAgain) return;
    if (result.status != IoStatus::kOk) {
      over_ = true;  // Who has ended its way cannot open the window for an answer either.
      return;
    }
    last_move_ = loop_.now();
    const ssize_t taken =
        nghttp2_session_mem_recv(session_.get(), reinterpret_cast<const uint8_t*>(buffer.data()), result.bytes);
    if (taken == NGHTTP2_ERR_FLOODED) flooded_ = true;
    if (taken < 0) return Terminate(flooded_ ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
  }
  wake_.Schedule();
}

// Frames become one large write.
void Http2Connection::Gather() {
  while (unsent_.size() - unsent_at_ < Http2Limits::kMaxUnsent) {
    const uint8_t* frames = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_.get(), &frames);
    if (size < 0) over_ = true;  // Out of memory.
    if (size <= 0) return;
    unsent_.append(reinterpret_cast<const char*>(frames), static_cast<size_t>(size));
  }
}

void Http2Connection::Send() {
  for (int writes = 0; writes < kWritesAVisit; ++writes) {
    Gather();
    for (const auto& [id, stream] : streams_) stream->Settle();
    if (unsent_at_ == unsent_.size()) {
      unsent_.clear();
      unsent_at_ = 0;
      // It has said that it goes, and all of it is sent.
      if (nghttp2_session_want_read(session_.get()) == 0 && nghttp2_session_want_write(session_.get()) == 0) {
        over_ = true;
      }
      return;
    }
    const IoResult result = stream_->Write(std::string_view(unsent_).substr(unsent_at_));
    if (result.status == IoStatus::kAgain) return;
    if (result.status != IoStatus::kOk) {
      over_ = true;
      return;
    }
    last_move_ = loop_.now();
    unsent_at_ += result.bytes;
    if (unsent_at_ == unsent_.size() || unsent_at_ >= Http2Limits::kMaxUnsent) {
      unsent_.erase(0, std::exchange(unsent_at_, 0));
    }
  }
  wake_.Schedule();
}

bool Http2Connection::is_answering() const {
  return std::any_of(streams_.begin(), streams_.end(), [](const auto& one) { return one.second->is_answering(); });
}

void Http2Connection::Settle() {
  ended_.clear();
  const bool answers = is_answering();
  if (answers && !was_answering_) timer_.Set(limits_.stalled);
  if (!answers && (was_answering_ || routed_)) {
    quiet_since_ = loop_.now();
    timer_.Set(limits_.idle);
  }
  was_answering_ = answers;
  routed_ = false;
}

void Http2Connection::OnTimer() {
  const Instant due = is_answering() ? last_move_ + limits_.stalled : quiet_since_ + limits_.idle;
  if (loop_.now() < due) return timer_.SetAt(due);
  if (is_answering()) stats_.send_timeout.Add(1);
  nghttp2_session_terminate_session(session_.get(), NGHTTP2_NO_ERROR);
  Send();
  End();
}

// The last frames have been written, if there was room. Nothing of the connection is touched behind this.
void Http2Connection::End() {
  over_ = true;
  timer_.Cancel();
  wake_.Cancel();
  const auto aborted =
      std::count_if(streams_.begin(), streams_.end(), [](const auto& one) { return one.second->OnClosed(); });
  stats_.aborted.Add(static_cast<uint64_t>(aborted));
  streams_.clear();
  wake_.Cancel();
  stream_.reset();
  if (const std::function<void()> closed = std::exchange(closed_, {}); closed) closed();
}

void Http2Connection::Terminate(uint32_t error) {
  (flooded_ ? stats_.floods : stats_.h2_errors).Add(1);
  nghttp2_session_terminate_session(session_.get(), error);
  Send();
  over_ = true;
}

int Http2Connection::Charge(Allowance& allowance) {
  if (allowance.bucket.Take(allowance.full_at_ns, loop_.now())) return 0;
  flooded_ = true;
  return NGHTTP2_ERR_CALLBACK_FAILURE;
}

Http2Stream* Http2Connection::Find(int32_t id) {
  const auto it = streams_.find(id);
  return it == streams_.end() ? nullptr : it->second.get();
}

// Unknown frames do not come here: nghttp2 drops them, for no more than their bytes cost.
int Http2Connection::OnFrameBegun(const nghttp2_frame_hd& frame) {
  const bool ends = (frame.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  switch (frame.type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_WINDOW_UPDATE:  // As often as data is received.
      return 0;
    case NGHTTP2_DATA:
      return frame.length > 0 || ends ? 0 : Charge(idle_frames_);
    default:
      return Charge(idle_frames_);
  }
}

int Http2Connection::OnStreamBegun(int32_t id) {
  streams_.emplace(id, std::make_unique<Http2Stream>(loop_, session_.get(), id, wake_, stats_));
  return 0;
}

int Http2Connection::OnField(int32_t id, std::string_view name, std::string_view value) {
  Http2Stream* const stream = Find(id);
  if (stream == nullptr || stream->request().Add(name, value)) return 0;
  flooded_ = true;
  return NGHTTP2_ERR_CALLBACK_FAILURE;
}

int Http2Connection::OnFrame(const nghttp2_frame& frame) {
  if (frame.hd.type != NGHTTP2_HEADERS && frame.hd.type != NGHTTP2_DATA) return 0;
  Http2Stream* const stream = Find(frame.hd.stream_id);
  if (stream == nullptr) return 0;
  const bool ends = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  if (frame.hd.type == NGHTTP2_HEADERS && frame.headers.cat == NGHTTP2_HCAT_REQUEST) return Route(*stream, !ends);
  if (ends) stream->OnDataEnd();
  return 0;
}

int Http2Connection::Route(Http2Stream& stream, bool has_body) {
  std::variant<RequestHead, int> head = stream.request().Finish(has_body);
  if (const int* const status = std::get_if<int>(&head)) {
    stats_.refused_malformed.Add(1);
    stream.Refuse(*status);
    return 0;
  }
  stats_.requests.Add(1);
  stream.Answer(router_(stream, std::get<RequestHead>(std::move(head))));
  routed_ = true;
  return 0;
}

int Http2Connection::OnData(int32_t id, std::string_view bytes) {
  if (Http2Stream* const stream = Find(id); stream != nullptr) {
    stream->OnData(bytes);
  } else {
    nghttp2_session_consume_connection(session_.get(), bytes.size());
  }
  return 0;
}

int Http2Connection::OnFrameSent(const nghttp2_frame& frame) {
  const bool body_or_head = frame.hd.type == NGHTTP2_DATA || frame.hd.type == NGHTTP2_HEADERS;
  if (!body_or_head || (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
  if (Http2Stream* const stream = Find(frame.hd.stream_id); stream != nullptr) stream->OnAnswerSent();
  return 0;
}

// The stream is reset for it, which costs its client as little as resetting it.
int Http2Connection::OnBadFrame(int) {
  stats_.refused_malformed.Add(1);
  return Charge(resets_);
}

int Http2Connection::OnStreamClosed(int32_t id) {
  const auto it = streams_.find(id);
  if (it == streams_.end()) return 0;
  std::unique_ptr<Http2Stream> stream = std::move(it->second);
  streams_.erase(it);
  const bool answered_in_part = stream->OnClosed();
  ended_.push_back(std::move(stream));
  wake_.Schedule();
  if (!answered_in_part) return 0;
  stats_.aborted.Add(1);
  return Charge(resets_);
}

std::unique_ptr<HttpConnection> MakeHttp2Connection(EventLoop& loop, std::unique_ptr<Stream> stream,
                                                    RequestRouter router, HttpsStats& stats,
                                                    std::function<void()> closed, const Http2Limits& limits) {
  return std::make_unique<Http2Connection>(loop, std::move(stream), std::move(router), stats, std::move(closed),
                                           limits);
}

}  // namespace ingress
