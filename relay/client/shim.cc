#include "relay/client/shim.h"

#include <poll.h>

#include <algorithm>
#include <cstdio>

namespace relay::client {
namespace {

// Receives of one socket before the others have their turn.
constexpr int kRounds = 4;
constexpr Duration kNetworkRetryGap = std::chrono::seconds(1);

Instant Now() { return std::chrono::steady_clock::now(); }

timespec Until(Instant deadline, Instant now) {
  const auto wait = std::clamp<Duration>(deadline - now, Duration::zero(), std::chrono::hours(1));
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(wait);
  return {.tv_sec = seconds.count(), .tv_nsec = (wait - seconds).count()};
}

}  // namespace

absl::StatusOr<std::unique_ptr<Shim>> Shim::Open(Options options) {
  absl::StatusOr<Fd> local = BindUdp(options.listen);
  if (!local.ok()) return local.status();
  absl::StatusOr<Fd> relay = OpenUdp();
  if (!relay.ok()) return relay.status();
  std::optional<Allocation> allocation;
  if (options.api) {
    auto created = Allocation::Create(*options.api, {options.session.key.public_key(), options.session.peer});
    if (!created.ok()) return created.status();
    allocation = *std::move(created);
  }
  return std::unique_ptr<Shim>(
      new Shim(std::move(options), std::move(allocation), *std::move(local), *std::move(relay)));
}

Shim::Shim(Options options, std::optional<Allocation> allocation, Fd local, Fd relay)
    : session_(std::move(options.session), Now()),
      allocation_(std::move(allocation)),
      listen_(options.listen),
      learn_wireguard_(options.learn_wireguard),
      wireguard_(options.wireguard),
      local_(std::move(local)),
      relay_(std::move(relay)) {}

void Shim::Run(int stop_fd) {
  while (true) {
    Perform(session_.Take());
    FollowPath();
    std::array<pollfd, 5> fds = {{{.fd = stop_fd, .events = POLLIN, .revents = 0},
                                  {.fd = relay_.get(), .events = POLLIN, .revents = 0},
                                  {.fd = local_.get(), .events = POLLIN, .revents = 0},
                                  {.fd = network_.fd(), .events = POLLIN, .revents = 0},
                                  {.fd = allocation_ ? allocation_->fd() : -1, .events = POLLIN, .revents = 0}}};
    const timespec wait = Until(session_.deadline(), Now());
    if (ppoll(fds.data(), fds.size(), &wait, nullptr) < 0) continue;
    const Instant now = Now();
    if (fds[0].revents != 0) return;
    if (fds[1].revents != 0) FromRelay(now);
    if (fds[2].revents != 0) FromWireGuard(now);
    if (fds[3].revents != 0) NetworkEvent(now);
    if (fds[4].revents != 0) {
      if (const auto answer = allocation_->Take()) session_.Allocated(answer->endpoint, answer->retry_after, now);
    }
    if (now >= session_.deadline()) session_.Tick(now);
  }
}

void Shim::Perform(const Session::Output& output) {
  for (const std::string& line : output.lines) std::printf("%s\n", line.c_str());
  if (!output.lines.empty()) std::fflush(stdout);
  if (output.allocate) allocation_->Start();
  if (output.new_socket) {
    if (absl::StatusOr<Fd> fresh = OpenUdp(); fresh.ok()) relay_ = *std::move(fresh);
  }
  for (const Session::Datagram& datagram : output.datagrams) {
    to_relay_.Add({}, datagram.bytes);
    SendToRelay(datagram.to);
  }
}

void Shim::SendToRelay(const disco::AddrPort& relay) {
  if (IsPathError(to_relay_.Send(relay_.get(), relay))) session_.SendFailed(relay, Now());
}

void Shim::FollowPath() {
  if (session_.data_path() == path_) return;
  path_ = session_.data_path();
  source_.reset();
  if (!path_) return;
  geneve::Write({.vni = path_->vni, .protocol = geneve::kProtocolWireGuard}, header_);
  source_ = SourceTowards(path_->relay);
}

void Shim::FromWireGuard(Instant now) {
  for (int round = 0; round < kRounds; ++round) {
    const auto messages = received_.Receive(local_.get());
    for (const ReceiveBatch::Message& message : messages) {
      if (message.from == listen_) continue;  // Our own: --wireguard leads back to us.
      if (learn_wireguard_) wireguard_.Heard(message.from, message.train.Slice(0, 1).bytes, now);
      if (!path_) continue;
      for (uint32_t i = 0; i < message.train.segments; ++i) {
        const auto packet = message.train.Slice(i, 1).bytes;
        if (!packet.empty()) to_relay_.Add(header_, packet);
      }
    }
    if (!to_relay_.empty()) SendToRelay(path_->relay);
    if (messages.size() < ReceiveBatch::kMessages) return;
  }
}

bool Shim::IsWireGuard(const disco::AddrPort& from, std::span<const uint8_t> packet) const {
  if (!path_ || from != path_->relay || packet.size() <= geneve::kHeaderSize) return false;
  return geneve::Parse(packet) == geneve::Header{.vni = path_->vni, .protocol = geneve::kProtocolWireGuard};
}

void Shim::FromRelay(Instant now) {
  for (int round = 0; round < kRounds; ++round) {
    const auto messages = received_.Receive(relay_.get());
    for (const ReceiveBatch::Message& message : messages) {
      for (uint32_t i = 0; i < message.train.segments; ++i) {
        const auto packet = message.train.Slice(i, 1).bytes;
        if (IsWireGuard(message.from, packet)) {
          to_wireguard_.Add({}, packet.subspan(geneve::kHeaderSize));
        } else {
          session_.HandlePacket(message.from, packet, now);
        }
      }
    }
    // Of a failure only WireGuard may learn: nobody listens at that port at the moment.
    if (!to_wireguard_.empty()) to_wireguard_.Send(local_.get(), wireguard_.address());
    if (messages.size() < ReceiveBatch::kMessages) return;
  }
}

void Shim::NetworkEvent(Instant now) {
  if (!network_.Drain()) return;
  if (path_) {
    const std::optional<disco::AddrPort> source = SourceTowards(path_->relay);
    if (source == source_) return;
    source_ = source;
    if (source) session_.AddressChanged(now);  // Without a way there is nothing to do; its return is a change too.
  } else if (now - last_network_retry_ >= kNetworkRetryGap) {
    last_network_retry_ = now;  // No relay answers yet: this may be what was missing.
    session_.AddressChanged(now);
  }
}

}  // namespace relay::client
