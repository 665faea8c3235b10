// The first half of a run: endpoints, and the handshakes that bind them.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "bench/relay_bench/runner.h"

namespace bench {
namespace {

constexpr relay::Duration kLookEvery = std::chrono::milliseconds(1);
constexpr relay::Duration kShowEvery = std::chrono::seconds(1);
constexpr relay::Duration kBindPatience = std::chrono::seconds(60);  // Without a single pair bound or given up.

}  // namespace

absl::Status Runner::SetUp() {
  if (options_.reflector) {
    PretendBound();
    return options_.relay ? link_.SetRelay(*options_.relay) : absl::InvalidArgumentError("--reflector needs --relay");
  }
  if (absl::Status bound = Bind(0, attack_); !bound.ok()) return bound;
  if (options_.hostile_in_setup) {
    hostile_->Begin(world_.clock());
    attacking_ = true;
  }
  bound_.clear();
  handshakes_->ResetResult();
  const relay::Instant began = world_.clock();
  if (absl::Status bound = Bind(attack_, static_cast<uint32_t>(pairs_.size())); !bound.ok()) return bound;
  const double seconds = std::chrono::duration<double>(world_.clock() - began).count();
  if (bound_.empty()) {
    if (Stopped()) return absl::CancelledError("ended before a pair was bound");
    return NoAnswer();
  }
  if (world_.save != nullptr) {
    if (absl::Status saved = world_.save->Commit(); !saved.ok()) return saved;
  }
  result_.handshakes = handshakes_->result();
  result_.handshakes->seconds = seconds;
  result_.notes.push_back(absl::StrCat("set-up: ", result_.handshakes->completed, " of ", result_.handshakes->started,
                                       " legs bound, ", result_.handshakes->first_attempt, " at the first attempt, in ",
                                       seconds, " s"));
  if (options_.endpoints_file.empty()) {
    result_.allocations = {.made = taken_count_, .failed = source_->refused(), .seconds = seconds};
  }
  if (failed_count_ > 0) {
    result_.notes.push_back(absl::StrCat(failed_count_, " pairs could not be bound and took no part"));
  }
  std::sort(bound_.begin(), bound_.end());
  load_->SetBound(bound_);
  return absl::OkStatus();
}

absl::Status Runner::NoAnswer() const {
  const std::string relay = relay_ ? relay_->ToString() : "?";
  std::string text;
  if (handshakes_->challenges() == 0) {
    text = absl::StrCat("no answer to any handshake from ", relay);
  } else if (handshakes_->probes() == 0) {
    text = absl::StrCat(relay, " answered handshakes, but of no pair those of both clients");
  } else {
    text = absl::StrCat(relay,
                        " answered the handshakes, but no packet came through it from one client to the other; UDP "
                        "checksums that a veth leaves unfinished? Then relayd needs --udp_checksum=compute");
  }
  for (const std::string& note : link_.Notes()) absl::StrAppend(&text, "; ", note);
  return absl::UnavailableError(text);
}

// What swaps addresses needs no endpoints: any VNI will do.
void Runner::PretendBound() {
  for (uint32_t i = 0; i < pairs_.size(); ++i) {
    pairs_[i].vni = i + 1;
    bound_.push_back(i);
  }
  load_->SetBound(bound_);
}

absl::Status Runner::Bind(uint32_t begin, uint32_t end) {
  if (begin == end) return absl::OkStatus();
  uint32_t allowed = std::min(options_.bind_window, end - begin);
  uint32_t done = 0;
  taken_count_ = 0;
  source_->Allow(allowed);
  relay::Instant now = world_.clock();
  relay::Instant last_done = now;
  relay::Instant next_look = now;
  relay::Instant next_show = now + kShowEvery;
  while (done < end - begin && !Stopped()) {
    now = world_.clock();
    if (now >= next_look) {
      next_look = now + kLookEvery;
      if (absl::Status taken = TakeEndpoints(now); !taken.ok()) return taken;
    }
    if (!relay_ || !Turn(now)) link_.Wait(next_look);
    const std::vector<uint32_t> bound = handshakes_->TakeBound();
    const std::vector<uint32_t> failed = handshakes_->TakeFailed();
    bound_.insert(bound_.end(), bound.begin(), bound.end());
    failed_count_ += static_cast<uint32_t>(failed.size());
    const auto ended = static_cast<uint32_t>(bound.size() + failed.size());
    if (ended > 0) {
      done += ended;
      last_done = now;
      const uint32_t more = std::min(ended, end - begin - allowed);
      allowed += more;
      if (more > 0) source_->Allow(more);
    }
    if (!failed.empty() && handshakes_->challenges() == 0) {
      return NoAnswer();
    }
    if (now - last_done > kBindPatience)
      return absl::UnavailableError("nothing happened for a minute; gave up binding");
    if (options_.progress && now >= next_show) {
      next_show = now + kShowEvery;
      world_.show(absl::StrCat("binding: ", done, " of ", end - begin, " pairs\n"));
    }
  }
  return absl::OkStatus();
}

absl::Status Runner::TakeEndpoints(relay::Instant now) {
  auto taken = source_->Take();
  if (!taken.ok()) return taken.status();
  taken_count_ += static_cast<uint32_t>(taken->size());
  for (Allocated& allocated : *taken) {
    if (absl::Status adopted = Adopt(allocated, now); !adopted.ok()) return adopted;
  }
  return absl::OkStatus();
}

absl::Status Runner::Adopt(Allocated& allocated, relay::Instant now) {
  const disco::RelayEndpoint& endpoint = allocated.endpoint;
  Pair& pair = pairs_[allocated.pair];
  if (endpoint.vni == 0 || endpoint.vni > geneve::kMaxVni) {
    return absl::UnavailableError(absl::StrCat("the server gave out the VNI ", endpoint.vni));
  }
  pair.vni = endpoint.vni;
  pair.keys = pair_keys_.empty() ? KeysOfPair(allocated.pair) : pair_keys_[allocated.pair];
  pair.server = keys_.Server(endpoint.server_disco);
  if (!relay_) {
    relay_ = options_.relay;
    if (!relay_ && !endpoint.addr_ports.empty()) relay_ = endpoint.addr_ports.front();
    if (!relay_) return absl::UnavailableError("the endpoint has no address; say --relay=ip:port");
    if (absl::Status set = link_.SetRelay(*relay_); !set.ok()) return set;
  }
  if (world_.save != nullptr) {
    const std::string line = SavedEndpointToJson(endpoint, keys_.key(pair.keys[0]), keys_.key(pair.keys[1]));
    if (absl::Status saved = world_.save->Write(line + "\n"); !saved.ok()) return saved;
  }
  return handshakes_->BindPair(allocated.pair, now);
}

}  // namespace bench
