#include "relay/dataplane/socket_worker.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>

namespace relay {

SocketWorker::SocketWorker(const SocketSet& sockets, const RelayServer& server, Qsbr& qsbr, WorkerContext& context,
                           bool gso)
    : sockets_(sockets),
      server_(server),
      qsbr_(qsbr),
      context_(context),
      counters_(*context.counters),
      batch_(sockets.front().port()),
      coalescer_(gso),
      transmitter_(sockets, gso, counters_) {}

void SocketWorker::Run() {
  qsbr_.Register(context_.id);
  while (!stop_.load(std::memory_order_relaxed)) {
    const uint32_t readable = WaitReadable();
    for (size_t socket = 0; socket < sockets_.size(); ++socket) {
      if ((readable >> socket & 1) == 0) continue;
      if (!Receive(socket)) {
        CountOverflow(socket);  // At rest: whatever the last bursts left uncounted.
        continue;
      }
      now_ = std::chrono::steady_clock::now();
      Parse();
      qsbr_.Online(context_.id);  // Endpoints are held from here...
      Prefetch();
      Decide();
      qsbr_.Offline(context_.id);  // ...to here: system calls, which may block, come before and after.
      Transmit();
      CountOverflow(socket);
    }
  }
  qsbr_.Unregister(context_.id);
}

void SocketWorker::Stop() {
  stop_.store(true, std::memory_order_relaxed);
  for (const UdpSocket& socket : sockets_) socket.Shutdown();
}

// A bit for each socket that is worth a receive. A lone socket waits in the receive itself: one system call a burst.
uint32_t SocketWorker::WaitReadable() {
  if (sockets_.size() == 1) return 1;
  std::array<pollfd, 2> polls{};
  for (size_t i = 0; i < sockets_.size(); ++i) polls[i] = {.fd = sockets_[i].fd(), .events = POLLIN, .revents = 0};
  const int ready = poll(polls.data(), sockets_.size(), UdpSocket::kIdleWaitMs);
  if (ready < 0) return 0;
  if (ready == 0) return 3;  // Nothing for a while: look at both.
  return (polls[0].revents != 0 ? 1u : 0u) | (polls[1].revents != 0 ? 2u : 0u);
}

// False: nothing came.
bool SocketWorker::Receive(size_t socket) {
  received_ = batch_.Receive(sockets_[socket].fd(), sockets_.size() == 1 ? 0 : MSG_DONTWAIT);
  if (received_ > 0) {
    error_pauses_ = 0;
    counters_.receive_calls.Add(1);
    return true;
  }
  if (received_ == 0 || received_ == -EINTR || received_ == -EAGAIN) return false;
  // An error that is pending on the socket (ICMP, an interface gone) is taken by being read. One that stays must not
  // spin.
  poll(nullptr, 0, static_cast<int>(std::min(error_pauses_++, 10u)));
  return false;
}

void SocketWorker::Parse() {
  arrival_count_ = 0;
  for (int i = 0; i < received_; ++i) {
    const std::optional<Datagrams> datagrams = batch_.Read(i);
    if (!datagrams) continue;
    const Train& train = datagrams->train;
    counters_.received.Add(train.segments);
    if (datagrams->truncated) {
      counters_.Drop(DropReason::kTooBig, train.segments);
      continue;
    }
    arrivals_[arrival_count_++] = {.from = datagrams->from,
                                   .train = train,
                                   .header = RelayServer::Parse(train.Slice(0, 1).bytes),
                                   .uniform = IsUniform(train)};
  }
}

void SocketWorker::Prefetch() const {
  const std::span<const Arrival> arrivals = std::span(arrivals_).first(arrival_count_);
  for (const Arrival& arrival : arrivals) server_.PrefetchSlot(arrival.header);
  // Found, but not kept for the decision: DecideOn may go offline before it.
  for (const Arrival& arrival : arrivals) server_.PrefetchSender(arrival.header, SourceWord(arrival.from.remote));
}

// In arrival order, segment by segment where a train is mixed: an answer binds the leg that the datagram behind it
// needs.
void SocketWorker::Decide() {
  for (const Arrival& arrival : std::span(arrivals_).first(arrival_count_)) {
    if (arrival.uniform) {
      DecideOn(arrival.from, arrival.header, arrival.train);
      continue;
    }
    for (uint32_t i = 0; i < arrival.train.segments; ++i) {
      const Train segment = arrival.train.Slice(i, 1);
      DecideOn(arrival.from, RelayServer::Parse(segment.bytes), segment);
    }
  }
}

// Decides, and coalesces what is to be sent.
void SocketWorker::DecideOn(const Path& from, const Parsed& header, const Train& train) {
  if (!coalescer_.HasRoom() || reply_count_ == kMaxReplies) {  // Only bursts of mixed trains get here.
    qsbr_.Offline(context_.id);
    Transmit();
    qsbr_.Online(context_.id);
  }
  Reply& reply = replies_[reply_count_];
  const Verdict verdict = server_.Decide(context_, header, from, train.bytes, train.segments, now_, reply);
  switch (verdict.action) {
    case Verdict::Action::kDrop:
      return counters_.Drop(verdict.reason, train.segments);
    case Verdict::Action::kForward:
      return coalescer_.Add(verdict.to, train, from.IsIpv4() ? Transport::kUdp4 : Transport::kUdp6);
    case Verdict::Action::kReply:
      ++reply_count_;
      return coalescer_.AddReply(verdict.to, reply.span());
    case Verdict::Action::kAccepted:
      return counters_.accepted.Add(1);
  }
}

void SocketWorker::Transmit() {
  transmitter_.Send(coalescer_, now_);
  coalescer_.Clear();
  reply_count_ = 0;
}

// The kernel drops when the queue is full, and then a burst is large; small buffers and large trains are seen to every
// kOverflowInterval.
void SocketWorker::CountOverflow(size_t socket) {
  Overflow& seen = overflow_[socket];
  if (received_ > 0 && received_ < kBacklog && now_ < seen.next) return;
  seen.next = now_ + kOverflowInterval;
  const uint32_t drops = sockets_[socket].drops();
  counters_.socket_overflow.Add(drops - seen.drops);
  seen.drops = drops;
}

}  // namespace relay
