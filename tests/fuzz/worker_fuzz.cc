// Several frames through a whole poll-mode worker between two ports: whatever they are, each has one end that is
// counted, what leaves is right, and every buffer comes back.
//
// Input: frames of a byte, two bytes of length and so many bytes. The first byte's bits: 0: the NIC has verified the
// IPv4 header checksum; 1: by the second port; 2 and 3: instead of these bytes a bind (1) or an answer (2) of client 0;
// 4 to 7: if not 0, the frame comes in mbufs of 16 times so many bytes.
#include <rte_mbuf.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "geneve/wire.h"
#include "tests/fuzz/check.h"
#include "tests/support/frame_checker.h"
#include "tests/support/worker_world.h"

namespace {

using fuzz::Check;
using test::Bytes;

constexpr size_t kMaxFrames = 40;
constexpr size_t kMaxFrame = 2048;  // What one buffer takes.

// One for all inputs: EAL and the ports are made once.
struct Fuzzed {
  Fuzzed() : left("left", 64, 1024), right("right", 64, 1024), world({&left, &right}) {
    world.reassemble = std::chrono::seconds(3600);
    world.Start();
    test::PacketRow row6;
    row6.from = test::kClient6;
    row6.to = test::kRelay6;
    row6.vlan = 5;
    paths = {world.PathOf({}, 0), world.PathOf(row6, 1)};
  }
  test::RingPort left;
  test::RingPort right;
  test::WorkerWorld world;
  std::array<relay::Path, 2> paths;
  std::optional<Bytes> answer{};  // To the last challenge.
};

void CheckSent(Fuzzed& fuzzed, const test::RingPort& port, disco::ClientHandshake& handshake) {
  for (const test::SentFrame& frame : port.Take()) {
    const test::Seen seen = test::Inspect(frame.bytes);
    Check(seen.error.empty(), "what is sent is right");
    Check(seen.from_mac == port.port.mac && (seen.to_mac[0] & 1) == 0, "from us to one station");
    Check(seen.ttl == 64 && seen.padding == 0 && seen.icmp_error == 0, "headers are our own");
    Check(frame.bytes.size() - seen.ip_payload.size() <= 18 + 40u, "no options");
    if (auto answer = handshake.HandlePacket(seen.payload)) {
      Check(seen.udp_checksum != 0 && seen.udp_error == 0, "a challenge's checksum is right");
      fuzzed.answer = std::move(answer);
    }
  }
}

std::vector<size_t> Segments(size_t bytes, size_t each) {
  return each == 0 ? std::vector<size_t>{} : std::vector<size_t>(bytes / each, each);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Fuzzed& fuzzed = *new Fuzzed;  // Never destroyed: EAL runs to the end.
  test::WorkerWorld& world = fuzzed.world;
  world.Bind(fuzzed.paths[0], fuzzed.paths[1]);
  disco::ClientHandshake handshake = world.Handshake(0);
  fuzzed.answer.reset();
  const uint64_t before = world.Count().received;
  uint64_t put = 0;
  std::span<const uint8_t> rest(data, size);
  while (rest.size() >= 3 && put < kMaxFrames) {
    const uint8_t how = rest[0];
    const size_t length = std::min<size_t>({size_t{rest[1]} << 8 | rest[2], rest.size() - 3, kMaxFrame});
    const std::span<const uint8_t> given = rest.subspan(3, length);
    rest = rest.subspan(3 + length);
    Bytes frame(given.begin(), given.end());
    if ((how >> 2 & 3) != 0) {
      test::PacketRow row;
      // What is in the ring comes first: the answer is to what that leads to.
      if ((how >> 2 & 3) == 1) row.payload = handshake.Start(std::chrono::steady_clock::now());
      if ((how >> 2 & 3) != 1) {
        while (world.Poll() != 0) {
        }
        CheckSent(fuzzed, fuzzed.left, handshake);
        CheckSent(fuzzed, fuzzed.right, handshake);
        row.payload = fuzzed.answer.value_or(Bytes());
      }
      frame = test::Build(row);
    }
    const test::RingPort& port = (how & 2) == 0 ? fuzzed.left : fuzzed.right;
    rte_mbuf* const m = port.Make(frame, Segments(frame.size(), size_t{how} >> 4 << 4));
    if ((how & 1) != 0) m->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD;
    port.Put(m);
    ++put;
  }
  while (world.Poll() != 0) {
  }
  CheckSent(fuzzed, fuzzed.left, handshake);
  CheckSent(fuzzed, fuzzed.right, handshake);
  relay::Reassembler& reassembler = *world.workers[0]->reassembler;
  const uint64_t held = reassembler.held();
  const test::Ledger ledger = world.Count();
  Check(ledger.Balances(), "received = forwarded + answered + accepted + to kernel + dropped");
  Check(ledger.received - before + held <= put, "nothing is received twice");
  reassembler.Flush();
  Check(reassembler.TakeDropped() == held, "what was held is given up");
  Check(fuzzed.left.InUse() == 0 && fuzzed.right.InUse() == 0, "every buffer is back");
  return 0;
}
