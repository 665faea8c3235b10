#include "relay/dataplane/kernel_path.h"

#include <poll.h>
#include <pthread.h>
#include <rte_errno.h>
#include <rte_ether.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "relay/dataplane/kernel_queue.h"
#include "relay/dataplane/mbuf.h"
#include "relay/dataplane/tap_device.h"

namespace relay {

namespace {

constexpr uint32_t kBurst = 32;       // Taken from one worker, or from one TAP, before the others have their turn.
constexpr uint16_t kFrameExtra = 18;  // Ethernet header and one tag.
constexpr size_t kMaxPieces = 64;     // Segments of one frame.
constexpr uint32_t kMostUdpPayload = 65535;
constexpr uint32_t kWorkerHolds = 512;  // Frames that a worker may have in hand: a burst, and a transmit buffer a port.
// How long a TAP waits whose frames there is no room for. Nobody says when there is room again: workers would have to
// look at every poll whether somebody wants to know.
constexpr int kRetryMs = 1;

// Names of rings and pools are the process's.
std::string UniqueName() {
  static std::atomic<uint32_t> next{0};
  return absl::StrCat("relay_kernel", next.fetch_add(1));
}

}  // namespace

struct KernelPath::Impl {
  struct Tap {
    TapDevice device;
    uint16_t port_id;  // DPDK's.
    uint16_t most;     // Bytes of a frame.
    uint32_t owner;    // The worker that sends its frames.
    bool waits = false;
    std::atomic<bool> gone = false;  // Somebody deleted the interface. Written by the thread.
    // A new one: the monitor sets it, the thread takes it and clears has_fresh.
    std::optional<TapDevice> fresh{};
    std::atomic<bool> has_fresh = false;
  };

  ~Impl();
  absl::Status MakePool(const std::string& name);
  void Wake();
  void NoteWork();
  void Run();
  bool Deliver(KernelQueue& queue);
  void WriteFrame(rte_mbuf* frame);
  void SendPayload(rte_mbuf* payload);
  bool ReadTap(Tap& tap);
  static void TakeFresh(Tap& tap);
  void Sleep();
  bool HasGiven() const;

  Options options;
  SocketSend send;
  std::vector<std::unique_ptr<Tap>> taps;            // By port; null: none.
  rte_mempool* pool = nullptr;                       // Of the frames from the TAPs. The thread alone allocates.
  std::vector<std::unique_ptr<KernelQueue>> queues;  // By worker.
  std::vector<uint8_t> linear;                       // A payload that came in several segments.
  std::vector<pollfd> polled;                        // The event, then the TAPs.
  rte_mbuf* spare = nullptr;                         // Allocated, and nothing read into it yet.
  int event_fd = -1;
  // Set by the thread before it looks at the rings a last time and sleeps; whoever clears it wakes the thread. All
  // accesses exchange, so that either the worker sees it set or the thread sees what the worker gave, without a fence.
  alignas(64) std::atomic<bool> sleeping{false};
  std::atomic<bool> stop{false};
  Counters counters;
  KernelFrames frames;
  std::thread thread;
};

absl::StatusOr<std::unique_ptr<KernelPath>> KernelPath::Open(const Options& options, std::vector<Port>& ports,
                                                             std::vector<uint32_t> port_owner, SocketSend send) {
  if (port_owner.size() != ports.size() ||
      std::ranges::any_of(port_owner, [&](uint32_t owner) { return owner >= options.workers; })) {
    return absl::InvalidArgumentError("kernel path: every port needs a worker that sends the kernel's frames");
  }
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  impl->send = std::move(send);
  impl->linear.resize(kMostUdpPayload);
  impl->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (impl->event_fd < 0) return absl::InternalError(absl::StrCat("kernel path: eventfd: ", std::strerror(errno)));
  const std::string name = UniqueName();
  for (uint32_t worker = 0; worker < options.workers; ++worker) {
    absl::StatusOr<std::unique_ptr<KernelQueue>> queue =
        KernelQueue::Make(absl::StrCat(name, "_", worker), options.ring_size);
    if (!queue.ok()) return queue.status();
    impl->queues.push_back(*std::move(queue));
  }
  impl->taps.resize(ports.size());
  for (size_t i = 0; i < ports.size() && options.tap; ++i) {
    if (ports[i].steered) continue;
    absl::StatusOr<TapDevice> device =
        TapDevice::Open({.name = absl::StrCat(options.tap_prefix, i), .mac = ports[i].mac, .mtu = ports[i].mtu.Get()});
    if (!device.ok()) return device.status();
    ports[i].kernel_interface.Set(device->interface());
    const int most_mtu = std::max(ports[i].mtu.Get(), ports[i].most_mtu);
    const auto most = static_cast<uint16_t>(std::min(most_mtu + kFrameExtra, UINT16_MAX - RTE_PKTMBUF_HEADROOM - 1));
    impl->taps[i].reset(
        new Impl::Tap{.device = *std::move(device), .port_id = ports[i].id, .most = most, .owner = port_owner[i]});
  }
  if (const absl::Status status = impl->MakePool(name); !status.ok()) return status;
  impl->polled.resize(1 + impl->taps.size());
  return std::unique_ptr<KernelPath>(new KernelPath(std::move(impl)));
}

// Enough for all that can be outside it, so that frames which a driver is slow to free cannot bring the kernel's to a
// halt. It has no caches and one consumer: a worker that frees never meets the thread.
absl::Status KernelPath::Impl::MakePool(const std::string& name) {
  uint32_t count = 1 + options.workers * (options.ring_size + kWorkerHolds);
  uint16_t most = 0;
  for (const auto& tap : taps) {
    if (tap == nullptr) continue;
    count += options.tx_descriptors;
    most = std::max(most, tap->most);
  }
  if (most == 0) return absl::OkStatus();
  const auto room = static_cast<uint16_t>(RTE_PKTMBUF_HEADROOM + most + 1);  // One more, to know what is too large.
  pool = rte_pktmbuf_pool_create_by_ops(name.c_str(), count, /*cache_size=*/0, sizeof(MbufNote), room, SOCKET_ID_ANY,
                                        "ring_mp_sc");
  if (pool != nullptr) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat("kernel path: no memory for ", count, " packet buffers of ", room,
                                                   " bytes: ", rte_strerror(rte_errno)));
}

KernelPath::Impl::~Impl() {
  rte_pktmbuf_free(spare);
  queues.clear();
  if (pool != nullptr && rte_mempool_full(pool)) rte_mempool_free(pool);
  if (event_fd >= 0) close(event_fd);
}

KernelPath::KernelPath(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

KernelPath::~KernelPath() { Stop(); }

void KernelPath::Start() {
  if (impl_->thread.joinable()) return;
  impl_->stop.store(false);
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // The thread inherits it: signals are others' business.
  impl_->thread = std::thread([impl = impl_.get()] { impl->Run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(impl_->thread.native_handle(), "relay-kernel");
}

void KernelPath::Stop() {
  if (!impl_->thread.joinable()) return;
  impl_->stop.store(true);
  impl_->Wake();
  impl_->thread.join();
}

bool KernelPath::HasTap(uint16_t port_index) const {
  return port_index < impl_->taps.size() && impl_->taps[port_index] != nullptr;
}

const Counters& KernelPath::counters() const { return impl_->counters; }
const KernelFrames& KernelPath::frames() const { return impl_->frames; }

// ---- The port monitor.

bool KernelPath::IsGone(uint16_t port_index) const {
  if (!HasTap(port_index)) return false;
  const Impl::Tap& tap = *impl_->taps[port_index];
  return !tap.has_fresh.load(std::memory_order_acquire) && tap.gone.load(std::memory_order_relaxed);
}

absl::StatusOr<uint32_t> KernelPath::MakeAnew(uint16_t port_index, const Port& port) {
  if (!IsGone(port_index)) return absl::FailedPreconditionError("kernel path: it is there");
  Impl::Tap& tap = *impl_->taps[port_index];
  absl::StatusOr<TapDevice> device = TapDevice::Open({.name = absl::StrCat(impl_->options.tap_prefix, port_index),
                                                      .mac = port.mac,
                                                      .mtu = port.mtu.Get(),
                                                      .interface = port.kernel_interface.Get()});
  if (!device.ok()) return device.status();
  const uint32_t interface = device->interface();
  tap.fresh = *std::move(device);
  tap.has_fresh.store(true, std::memory_order_release);
  impl_->Wake();
  return interface;
}

// ---- Workers.

uint16_t KernelPath::ToTap(uint32_t worker, uint16_t port_index, rte_mbuf* const* frames, uint16_t count) {
  if (!HasTap(port_index)) return 0;
  KernelQueue& queue = *impl_->queues[worker];
  const auto taken = static_cast<uint16_t>(queue.RoomFor(count));
  if (taken == 0) return 0;
  for (uint16_t i = 0; i < taken; ++i) {
    MbufNote& note = NoteOf(frames[i]);
    note.kind = MbufNote::Kind::kToTap;
    note.to.link.port = port_index;
  }
  queue.Give({frames, taken});
  impl_->NoteWork();
  return taken;
}

bool KernelPath::ToSocket(uint32_t worker, rte_mbuf* payload) {
  KernelQueue& queue = *impl_->queues[worker];
  if (queue.RoomFor(1) == 0) return false;
  NoteOf(payload).kind = MbufNote::Kind::kToSocket;
  queue.Give({&payload, 1});
  impl_->NoteWork();
  return true;
}

uint16_t KernelPath::FromKernel(uint32_t worker, rte_mbuf** frames, uint16_t most) {
  KernelQueue& queue = *impl_->queues[worker];
  queue.Reclaim();
  return queue.Take(frames, most);
}

void KernelPath::Impl::NoteWork() {
  if (sleeping.exchange(false, std::memory_order_acq_rel)) Wake();
}

void KernelPath::Impl::Wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(event_fd, &one, sizeof(one));  // EAGAIN: it is readable anyhow.
}

// ---- The thread.

void KernelPath::Impl::Run() {
  while (!stop.load()) {
    bool worked = false;
    for (const auto& queue : queues) worked |= Deliver(*queue);
    for (const auto& tap : taps) {
      if (tap == nullptr) continue;
      if (tap->has_fresh.load(std::memory_order_acquire)) [[unlikely]]
        TakeFresh(*tap);
      worked |= ReadTap(*tap);
    }
    if (!worked) Sleep();
  }
}

bool KernelPath::Impl::Deliver(KernelQueue& queue) {
  std::array<rte_mbuf*, kBurst> burst;
  const uint32_t count = queue.TakeGiven(burst);
  for (uint32_t i = 0; i < count; ++i) {
    if (NoteOf(burst[i]).kind == MbufNote::Kind::kToSocket) {
      SendPayload(burst[i]);
    } else {
      WriteFrame(burst[i]);
    }
  }
  if (count > 0) queue.Done(std::span(burst).first(count));
  return count > 0;
}

void KernelPath::Impl::TakeFresh(Tap& tap) {
  tap.device = *std::exchange(tap.fresh, std::nullopt);
  tap.gone = false;
  tap.has_fresh.store(false, std::memory_order_release);
}

void KernelPath::Impl::WriteFrame(rte_mbuf* frame) {
  const Tap& tap = *taps[NoteOf(frame).to.link.port];
  std::array<iovec, kMaxPieces> pieces;
  size_t count = 0;
  bool fits = rte_pktmbuf_pkt_len(frame) >= RTE_ETHER_HDR_LEN;
  for (rte_mbuf* m = frame; m != nullptr && fits; m = m->next) {
    fits = count < pieces.size();
    if (fits) pieces[count++] = {.iov_base = rte_pktmbuf_mtod(m, void*), .iov_len = rte_pktmbuf_data_len(m)};
  }
  const bool written = fits && tap.device.Write(std::span(pieces).first(count));
  (written ? frames.to_tap : frames.to_tap_refused).Add(1);
}

void KernelPath::Impl::SendPayload(rte_mbuf* payload) {
  const MbufNote& note = NoteOf(payload);
  const uint32_t size = rte_pktmbuf_pkt_len(payload);
  // Copies only what lies in several segments.
  const void* const bytes = size <= linear.size() ? rte_pktmbuf_read(payload, 0, size, linear.data()) : nullptr;
  const int error = bytes == nullptr ? EMSGSIZE : send(note.to, {static_cast<const uint8_t*>(bytes), size});
  if (error != 0) {
    counters.Drop(error == EMSGSIZE ? DropReason::kTooBig : DropReason::kSendFailed, 1);
    return;
  }
  counters.forwarded_packets[note.transport_in][note.transport_out].Add(1);
  counters.forwarded_bytes[note.transport_in][note.transport_out].Add(note.payload_bytes);
}

// Frames for which there is no room stay in the TAP's queue, which the kernel bounds.
bool KernelPath::Impl::ReadTap(Tap& tap) {
  if (tap.gone) return false;
  KernelQueue& queue = *queues[tap.owner];
  uint32_t count = 0;
  uint32_t dropped = 0;
  for (tap.waits = false; count + dropped < kBurst && !tap.waits;) {
    if (spare == nullptr) spare = rte_pktmbuf_alloc(pool);
    tap.waits = spare == nullptr || !queue.HasRoom();
    if (tap.waits) break;
    auto* const data = rte_pktmbuf_mtod(spare, uint8_t*);
    const ssize_t length = tap.device.Read({data, size_t{tap.most} + 1});
    if (length < 0) {
      tap.gone = errno == EBADFD;
      tap.waits = errno != EAGAIN;
      break;
    }
    if (length > tap.most) {
      ++dropped;
      continue;
    }
    // As every Ethernet driver does: not every NIC lengthens short frames itself.
    constexpr ssize_t kLeast = RTE_ETHER_MIN_LEN - RTE_ETHER_CRC_LEN;
    if (length < kLeast) std::memset(data + length, 0, static_cast<size_t>(kLeast - length));
    spare->data_len = static_cast<uint16_t>(std::max(length, kLeast));
    spare->pkt_len = spare->data_len;
    spare->port = tap.port_id;
    NoteOf(spare) = {};
    NoteOf(spare).kind = MbufNote::Kind::kFromKernel;
    queue.Put(std::exchange(spare, nullptr));
    ++count;
  }
  frames.from_tap.Add(count);
  frames.from_tap_dropped.Add(dropped);
  if (count > 0 && options.wake_worker) options.wake_worker(tap.owner);
  return count + dropped > 0;
}

void KernelPath::Impl::Sleep() {
  int timeout = -1;
  polled[0] = {.fd = event_fd, .events = POLLIN, .revents = 0};
  for (size_t i = 0; i < taps.size(); ++i) {
    const Tap* const tap = taps[i].get();
    const bool listens = tap != nullptr && !tap->waits && !tap->gone;
    polled[1 + i] = {.fd = listens ? tap->device.fd() : -1, .events = POLLIN, .revents = 0};
    if (tap != nullptr && tap->waits && !tap->gone) timeout = kRetryMs;
  }
  sleeping.exchange(true, std::memory_order_acq_rel);
  if (!HasGiven() && !stop.load()) poll(polled.data(), polled.size(), timeout);
  sleeping.exchange(false, std::memory_order_acq_rel);
  uint64_t wakes = 0;
  [[maybe_unused]] const ssize_t drained = read(event_fd, &wakes, sizeof(wakes));  // EAGAIN: it was something else.
  for (size_t i = 0; i < taps.size(); ++i) {
    if ((polled[1 + i].revents & (POLLERR | POLLNVAL)) != 0) taps[i]->gone = true;
  }
}

bool KernelPath::Impl::HasGiven() const {
  return std::ranges::any_of(queues, [](const auto& queue) { return queue->HasGiven(); });
}

}  // namespace relay
