#include "ingress/node/funnel_handshake.h"

#include <algorithm>
#include <string_view>

#include "relay/control/host_name.h"

namespace ingress {
namespace {

constexpr std::string_view kAcmeProtocol = "acme-tls/1";  // RFC 8737.

TlsVerdict Refuse(int alert) { return {.what = TlsVerdict::What::kRefuse, .alert = alert}; }

}  // namespace

FunnelHandshake::FunnelHandshake(EventLoop& loop, Queue& queue, std::unique_ptr<TlsStream> stream, HelloRules rules,
                                 Duration timeout, Done done)
    : queue_(queue),
      stream_(std::move(stream)),
      rules_(std::move(rules)),
      done_(std::move(done)),
      timeout_(loop, [this] { Finish(Outcome::kTimeout); }) {
  stream_->OnHello([this](const TlsHello& hello) { return Decide(hello); });
  stream_->OnReady([this] { Wait(); });
  timeout_.Set(timeout);
  Wait();  // The hello may be there already.
}

FunnelHandshake::~FunnelHandshake() {
  if (waits_) queue_.waiting_.erase(place_);
}

void FunnelHandshake::Wait() {
  if (std::exchange(waits_, true)) return;
  place_ = queue_.waiting_.insert(queue_.waiting_.end(), this);
  queue_.work_.Schedule();
}

void FunnelHandshake::Queue::Run() {
  for (size_t i = 0; i < kStepsATurn && !waiting_.empty(); ++i) {
    FunnelHandshake& first = *waiting_.front();
    waiting_.pop_front();
    first.waits_ = false;
    first.Step();
  }
  if (!waiting_.empty()) work_.Schedule();
}

TlsVerdict FunnelHandshake::Decide(const TlsHello& hello) {
  refused_as_ = Outcome::kWrongName;
  if (!hello.server_name || relay::CanonicalHostName(*hello.server_name) != rules_.name) {
    return Refuse(SSL_AD_UNRECOGNIZED_NAME);
  }
  const auto offers = [&](std::string_view protocol) {
    return std::find(hello.alpn.begin(), hello.alpn.end(), protocol) != hello.alpn.end();
  };
  refused_as_ = Outcome::kFailed;
  if (hello.alpn.size() == 1 && hello.alpn.front() == kAcmeProtocol) {
    if (rules_.acme) return {.what = TlsVerdict::What::kTakeBack};
    return Refuse(SSL_AD_NO_APPLICATION_PROTOCOL);
  }
  if (!rules_.has_certificate) {
    refused_as_ = Outcome::kNoCertificate;
    return Refuse(SSL_AD_INTERNAL_ERROR);
  }
  if (!rules_.http || hello.alpn.empty()) return {};
  for (const std::string_view protocol : {"h2", "http/1.1"}) {
    if (offers(protocol)) return {.alpn = protocol};
  }
  return Refuse(
      SSL_AD_NO_APPLICATION_PROTOCOL);  // RFC 7301 section 3.2: nothing of a page may pass for something else.
}

void FunnelHandshake::Step() {
  switch (stream_->Handshake()) {
    case TlsStream::Step::kAgain:
      return;
    case TlsStream::Step::kDone:
      return Finish(Outcome::kDone);
    case TlsStream::Step::kTakeBack:
      return Finish(Outcome::kAcme);
    case TlsStream::Step::kFailed:
      return Finish(refused_as_);
  }
}

void FunnelHandshake::Finish(Outcome outcome) {
  timeout_.Cancel();
  stream_->OnReady({});
  if (outcome == Outcome::kTimeout) stream_->Abort();
  if (const Done done = std::exchange(done_, {}); done) done(*this, outcome);
}

}  // namespace ingress
