#include "relay/client/allocation.h"

#include <sys/eventfd.h>

#include <cerrno>
#include <thread>

#include "absl/status/status.h"

namespace relay::client {

absl::StatusOr<Allocation> Allocation::Create(ApiClient api, const std::array<disco::PublicKey, 2>& keys) {
  auto shared = std::make_shared<Shared>();
  shared->ready = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (shared->ready.get() < 0) return absl::ErrnoToStatus(errno, "eventfd");
  return Allocation(std::move(api), keys, std::move(shared));
}

void Allocation::Start() {
  if (open_) return;
  open_ = true;
  std::thread([api = api_, keys = keys_, shared = shared_] {
    Answer answer{.endpoint = absl::UnknownError(""), .retry_after = {}};
    answer.endpoint = api.Allocate(keys, &answer.retry_after);
    const std::lock_guard lock(shared->mutex);
    shared->answer = std::move(answer);
    eventfd_write(shared->ready.get(), 1);
  }).detach();
}

std::optional<Allocation::Answer> Allocation::Take() {
  eventfd_t ignored;
  eventfd_read(shared_->ready.get(), &ignored);
  const std::lock_guard lock(shared_->mutex);
  std::optional<Answer> answer;
  std::swap(answer, shared_->answer);
  if (answer) open_ = false;
  return answer;
}

}  // namespace relay::client
