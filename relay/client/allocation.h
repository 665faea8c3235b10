// One question to the API at a time, on a thread of its own, so that a slow answer never holds packets up.
#ifndef RELAYD_RELAY_CLIENT_ALLOCATION_H_
#define RELAYD_RELAY_CLIENT_ALLOCATION_H_

#include <array>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>

#include "absl/status/statusor.h"
#include "disco/key.h"
#include "relay/client/api_client.h"
#include "relay/control/fd.h"

namespace relay::client {

class Allocation {
 public:
  struct Answer {
    absl::StatusOr<disco::RelayEndpoint> endpoint;
    std::chrono::seconds retry_after{0};
  };

  static absl::StatusOr<Allocation> Create(ApiClient api, const std::array<disco::PublicKey, 2>& keys);

  // Asks, unless a question is still open.
  void Start();
  // The answer, once; nullopt while there is none.
  std::optional<Answer> Take();
  int fd() const { return shared_->ready.get(); }  // Readable when there is an answer.
  bool open() const { return open_; }

 private:
  // Outlives us if a question is open when we end: a name lookup cannot be cut short.
  struct Shared {
    std::mutex mutex;
    std::optional<Answer> answer;  // Guarded by `mutex`; written by the thread, taken by us.
    Fd ready;                      // An eventfd.
  };

  Allocation(ApiClient api, const std::array<disco::PublicKey, 2>& keys, std::shared_ptr<Shared> shared)
      : api_(std::move(api)), keys_(keys), shared_(std::move(shared)) {}

  ApiClient api_;
  std::array<disco::PublicKey, 2> keys_;
  std::shared_ptr<Shared> shared_;
  bool open_ = false;
};

}  // namespace relay::client

#endif  // RELAYD_RELAY_CLIENT_ALLOCATION_H_
