// When packets should be sent: an open loop, whose schedule does not wait for the sender.
//
//   while (running) {
//     const Pacer::Due due = pacer.Look(now_ns, room);
//     // Build due.count packets; packet i's intended time is pacer.IntendedNs(i).
//     pacer.Sent(enqueued);  // What could not be enqueued stays due, its intended time unchanged.
//   }
//   pacer.Finish(now_ns);
//
// What is late by more than `max_behind_ns` is given up and is the generator's loss, not the relay's: the schedule is
// kept after a stall, but the stall does not become a flood.
#ifndef RELAYD_BENCH_MEASURE_PACER_H_
#define RELAYD_BENCH_MEASURE_PACER_H_

#include <cstdint>

namespace bench {

class Pacer {
 public:
  struct Options {
    double per_second = 0;  // 0: unlimited, whatever there is room for, intended now.
    // So many packets are due at once, at one intended time, and then nothing for as many intervals. 1: evenly
    // spaced. At rates beyond what one look a packet reaches, 32 keeps the generator's polling out of the latencies.
    uint32_t burst = 1;
    int64_t max_behind_ns = 10'000'000;
  };
  struct Due {
    uint32_t count = 0;
    uint64_t given_up = 0;  // By this look, also in generator_lost().
  };

  // The first packet is due at `start_ns`.
  Pacer(const Options& options, int64_t start_ns);

  // What may be sent now, at most `room`.
  Due Look(int64_t now_ns, uint32_t room);
  // The intended time of the i-th packet of the last Look; before Sent.
  int64_t IntendedNs(uint32_t i) const;
  // The first `count` packets of the last Look were enqueued.
  void Sent(uint32_t count);
  // The run ended: what was due before `end_ns` and is not sent is given up.
  void Finish(int64_t end_ns);

  // When the next packet is due, for a sender that sleeps. Unlimited: the last look.
  int64_t NextDueNs() const;
  uint64_t sent() const { return sent_; }
  uint64_t generator_lost() const { return lost_; }
  bool unlimited() const { return options_.per_second <= 0; }

 private:
  int64_t DueNs(uint64_t packet) const;
  uint64_t DueBy(int64_t ns) const;  // How many packets' times are `ns` or before.
  void GiveUpTo(uint64_t packet);

  Options options_;
  int64_t start_ns_;
  int64_t looked_ns_;
  double interval_ns_;  // Of a burst.
  uint64_t next_ = 0;   // The packet that is to be sent next: sent_ + lost_.
  uint64_t sent_ = 0;
  uint64_t lost_ = 0;
};

}  // namespace bench

#endif  // RELAYD_BENCH_MEASURE_PACER_H_
