#include "relay/dataplane/transmitter.h"

#include <poll.h>

#include <cerrno>

namespace relay {

namespace {

int FdOf(const SocketSet& sockets, UdpSocket::Family family) {
  for (const UdpSocket& socket : sockets) {
    if (socket.family() == family || socket.family() == UdpSocket::Family::kDual) return socket.fd();
  }
  return -1;  // Sends fail with EBADF and are counted.
}

bool IsPressure(int error) { return error == EAGAIN || error == ENOBUFS || error == ENOMEM; }

DropReason ReasonOf(int error) { return error == EMSGSIZE ? DropReason::kTooBig : DropReason::kSendFailed; }

Transport TransportOf(const Path& path) { return path.IsIpv4() ? Transport::kUdp4 : Transport::kUdp6; }

iovec VectorOf(std::span<const uint8_t> bytes) {
  return {.iov_base = const_cast<uint8_t*>(bytes.data()), .iov_len = bytes.size()};  // Sending does not write to it.
}

}  // namespace

Transmitter::Transmitter(const SocketSet& sockets, bool gso, Counters& counters)
    : fd_v4_(FdOf(sockets, UdpSocket::Family::kIpv4)),
      fd_v6_(FdOf(sockets, UdpSocket::Family::kIpv6)),
      gso_(gso),
      counters_(counters) {}

void Transmitter::Send(const Coalescer& burst, Instant now) {
  now_ = now;
  waits_left_ = kMaxWaits;
  Prepare(burst);
  const std::span<const Outgoing> messages = burst.messages();
  // Runs of messages that leave by one socket as they are; a train that must not stands alone.
  for (size_t begin = 0; begin < messages.size();) {
    if (IsSplit(messages[begin])) {
      SendSingly(burst, messages[begin++]);
      continue;
    }
    const int fd = SocketFor(messages[begin].to);
    size_t end = begin + 1;
    while (end < messages.size() && SocketFor(messages[end].to) == fd && !IsSplit(messages[end])) ++end;
    SendRun(burst, begin, end);
    begin = end;
  }
}

template <size_t N>
void Transmitter::Headers<N>::Fill(size_t i, const Path& to, iovec* vectors, size_t vector_count) {
  msghdr& header = headers[i].msg_hdr;
  header.msg_name = &names[i];
  header.msg_namelen = WriteAddress(to.remote, names[i]);
  header.msg_iov = vectors;
  header.msg_iovlen = vector_count;
  header.msg_flags = 0;
  WriteSource(to, controls[i], header);
}

void Transmitter::Prepare(const Coalescer& burst) {
  size_t vector = 0;
  size_t i = 0;
  for (const Outgoing& message : burst.messages()) {
    messages_.Fill(i, message.to, &vectors_[vector], message.pieces);
    if (message.segments > 1) {
      WriteSegmentSize(static_cast<uint16_t>(message.segment_size), messages_.controls[i],
                       messages_.headers[i].msg_hdr);
    }
    uint16_t piece = message.first;
    for (uint16_t n = 0; n < message.pieces; ++n, piece = burst.piece(piece).next) {
      vectors_[vector++] = VectorOf(burst.piece(piece).train.bytes);
    }
    ++i;
  }
}

// Sends `headers` in order; `sent(i)` or `failed(i, errno)` is called once for each, in order too.
template <typename Sent, typename Failed>
void Transmitter::SendAll(int fd, std::span<mmsghdr> headers, Sent sent, Failed failed) {
  size_t done = 0;
  while (done < headers.size()) {
    const auto left = static_cast<unsigned>(headers.size() - done);
    const int count = sendmmsg(fd, &headers[done], left, MSG_DONTWAIT | MSG_NOSIGNAL);
    const int error = count < 0 ? errno : 0;
    counters_.send_calls.Add(1);
    for (int i = 0; i < count; ++i) sent(done++);
    if (count > 0 || error == EINTR || (IsPressure(error) && WaitForRoom(fd, error))) continue;
    failed(done++, error);
  }
}

void Transmitter::SendRun(const Coalescer& burst, size_t begin, size_t end) {
  const std::span<const Outgoing> messages = burst.messages().subspan(begin, end - begin);
  SendAll(
      SocketFor(messages.front().to), std::span(messages_.headers).subspan(begin, end - begin),
      [&](size_t i) { CountSent(messages[i]); },
      [&](size_t i, int error) {
        const Outgoing& message = messages[i];
        if (message.segments == 1) return counters_.Drop(ReasonOf(error), 1);
        if (!RefusesTrain(error)) return counters_.Drop(DropReason::kSendFailed, message.segments);
        counters_.gso_fallbacks.Add(1);
        SendSingly(burst, message);
      });
}

// Sends the train's datagrams one by one, and remembers that this was needed if some of them passed.
void Transmitter::SendSingly(const Coalescer& burst, const Outgoing& message) {
  std::array<Transport, kMaxTrainSegments> transport_in;
  size_t count = 0;
  uint16_t index = message.first;
  for (uint16_t n = 0; n < message.pieces; ++n) {
    const Coalescer::Piece& piece = burst.piece(index);
    for (uint32_t segment = 0; segment < piece.train.segments; ++segment) {
      single_vectors_[count] = VectorOf(piece.train.Slice(segment, 1).bytes);
      singles_.Fill(count, message.to, &single_vectors_[count], 1);
      transport_in[count++] = piece.transport_in;
    }
    index = piece.next;
  }
  const auto out = static_cast<size_t>(TransportOf(message.to));
  bool any_sent = false;
  SendAll(
      SocketFor(message.to), std::span(singles_.headers).first(count),
      [&](size_t i) {
        const auto in = static_cast<size_t>(transport_in[i]);
        counters_.forwarded_packets[in][out].Add(1);
        counters_.forwarded_bytes[in][out].Add(single_vectors_[i].iov_len);
        any_sent = true;
      },
      [&](size_t, int error) { counters_.Drop(ReasonOf(error), 1); });
  if (any_sent && gso_ && !IsSplit(message)) refusals_.Refuse(message.to, message.segment_size, now_);
}

// Waiting is bounded a burst, so that a way out that is stuck costs the others milliseconds and not more.
bool Transmitter::WaitForRoom(int fd, int error) {
  if (waits_left_ == 0) return false;
  --waits_left_;
  // Writable again when the buffer has drained; there is no such sign for the kernel's memory.
  pollfd wait{.fd = fd, .events = static_cast<short>(error == EAGAIN ? POLLOUT : 0), .revents = 0};
  poll(&wait, 1, 1);
  return true;
}

bool Transmitter::IsSplit(const Outgoing& message) const {
  return message.segments > 1 && !(gso_ && refusals_.Allows(message.to, message.segment_size, now_));
}

void Transmitter::CountSent(const Outgoing& message) {
  if (message.is_reply) return counters_.answered.Add(1);
  const auto out = static_cast<size_t>(TransportOf(message.to));
  for (size_t in = 0; in < message.packets_by_transport.size(); ++in) {
    if (message.packets_by_transport[in] == 0) continue;
    counters_.forwarded_packets[in][out].Add(message.packets_by_transport[in]);
    counters_.forwarded_bytes[in][out].Add(message.bytes_by_transport[in]);
  }
  if (message.segments > 1) counters_.gso_trains.Add(1);
}

}  // namespace relay
