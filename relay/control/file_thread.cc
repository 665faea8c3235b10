#include "relay/control/file_thread.h"

#include <boost/asio/post.hpp>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

namespace relay {
namespace {

constexpr Duration kPatience = std::chrono::milliseconds(500);  // Of the two seconds that SIGTERM may take.

}  // namespace

struct FileThread::Shared {
  std::mutex mutex;
  std::condition_variable changed;
  // All under mutex.
  boost::asio::io_context* io;  // nullptr: nobody waits for results any more.
  std::deque<std::function<Done()>> works;
  bool ended = false;
};

FileThread::FileThread(boost::asio::io_context& io) : shared_(std::make_shared<Shared>()) {
  shared_->io = &io;
  thread_ = std::thread([shared = shared_] { Serve(*shared); });
}

FileThread::~FileThread() {
  std::unique_lock lock(shared_->mutex);
  shared_->io = nullptr;
  shared_->changed.notify_all();
  const bool ended = shared_->changed.wait_for(lock, kPatience, [this] { return shared_->ended; });
  lock.unlock();
  ended ? thread_.join() : thread_.detach();
}

void FileThread::Post(std::function<Done()> work) {
  const std::lock_guard lock(shared_->mutex);
  shared_->works.push_back(std::move(work));
  shared_->changed.notify_all();
}

void FileThread::Serve(Shared& shared) {
  std::unique_lock lock(shared.mutex);
  while (true) {
    shared.changed.wait(lock, [&] { return shared.io == nullptr || !shared.works.empty(); });
    if (shared.io == nullptr) break;
    std::function<Done()> work = std::move(shared.works.front());
    shared.works.pop_front();
    lock.unlock();
    Done done = work();
    work = nullptr;
    lock.lock();
    if (shared.io != nullptr) boost::asio::post(*shared.io, std::move(done));
  }
  shared.ended = true;
  shared.changed.notify_all();
}

}  // namespace relay
