#include "bench/traffic.h"

#include <linux/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "geneve/geneve.h"
#include "relay/dataplane/train.h"

namespace bench {

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kPlainBatch = 64;  // Datagrams of one pair in one sendmmsg.
constexpr int kRoundsBetweenDrains = 8;

// Datagrams back to back, without anything in them but their Geneve headers.
class Payload {
 public:
  Payload(uint16_t segment_size, size_t segments) : segment_size_(segment_size), bytes_(segment_size * segments) {}

  void SetVni(uint32_t vni) {
    for (size_t at = 0; at < bytes_.size(); at += segment_size_) {
      geneve::Write({.vni = vni, .protocol = geneve::kProtocolWireGuard, .version = 0, .control = false},
                    std::span(bytes_).subspan(at).first<geneve::kHeaderSize>());
    }
  }
  std::vector<uint8_t>& bytes() { return bytes_; }

 private:
  const size_t segment_size_;
  std::vector<uint8_t> bytes_;
};

size_t SegmentsOf(const Traffic& traffic) {
  if (!traffic.trains) return 1;
  return std::min<size_t>(relay::kMaxTrainSegments, relay::kMaxTrainBytes / traffic.bytes);
}

// One message of each pair in turn.
void SendRound(const ClientPairs& pairs, const Traffic& traffic, Payload& payload) {
  for (size_t i = 0; i < traffic.pairs; ++i) {
    if (traffic.pairs > 1) payload.SetVni(static_cast<uint32_t>(i + 1));
    send(pairs.sender(i), payload.bytes().data(), payload.bytes().size(), MSG_DONTWAIT);
  }
}

// A batch of datagrams of the first pair.
void SendBatch(const ClientPairs& pairs, Payload& payload) {
  iovec vector{.iov_base = payload.bytes().data(), .iov_len = payload.bytes().size()};
  std::array<mmsghdr, kPlainBatch> headers{};
  for (mmsghdr& header : headers) {
    header.msg_hdr.msg_iov = &vector;
    header.msg_hdr.msg_iovlen = 1;
  }
  sendmmsg(pairs.sender(0), headers.data(), headers.size(), MSG_DONTWAIT);
}

void SetSegmentSize(const ClientPairs& pairs, const Traffic& traffic, int bytes) {
  for (size_t i = 0; i < traffic.pairs; ++i) {
    setsockopt(pairs.sender(i), IPPROTO_UDP, UDP_SEGMENT, &bytes, sizeof(bytes));
  }
}

}  // namespace

void Flood(const ClientPairs& pairs, const Traffic& traffic, Seconds duration) {
  SetSegmentSize(pairs, traffic, traffic.trains ? traffic.bytes : 0);
  Payload payload(traffic.bytes, SegmentsOf(traffic));
  payload.SetVni(1);
  const auto end = Clock::now() + duration;
  for (int round = 0; Clock::now() < end; ++round) {
    if (traffic.pairs == 1 && !traffic.trains) {
      SendBatch(pairs, payload);
    } else {
      SendRound(pairs, traffic, payload);
    }
    if (round % kRoundsBetweenDrains == 0) pairs.Drain(traffic.pairs);
  }
  SetSegmentSize(pairs, traffic, 0);
}

std::vector<std::chrono::nanoseconds> Latencies(const ClientPairs& pairs, int per_second, Seconds duration) {
  Payload payload(64, 1);
  payload.SetVni(1);
  std::vector<std::chrono::nanoseconds> out;
  out.reserve(static_cast<size_t>(duration.count() * per_second) + 1);
  const auto interval = std::chrono::nanoseconds(1'000'000'000 / per_second);
  Clock::time_point due = Clock::now();
  const auto end = due + duration;
  std::array<uint8_t, 64> buffer;
  while (due < end) {
    if (Clock::now() >= due) {
      const Clock::time_point sent = Clock::now();
      std::memcpy(payload.bytes().data() + geneve::kHeaderSize, &sent, sizeof(sent));
      send(pairs.sender(0), payload.bytes().data(), payload.bytes().size(), MSG_DONTWAIT);
      due += interval;
    }
    if (recv(pairs.sink(0), buffer.data(), buffer.size(), MSG_DONTWAIT) != static_cast<ssize_t>(buffer.size()))
      continue;
    Clock::time_point sent;
    std::memcpy(&sent, buffer.data() + geneve::kHeaderSize, sizeof(sent));
    out.push_back(Clock::now() - sent);
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace bench
