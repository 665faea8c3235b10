// For tests: a stream in memory and the client at its other end, on a loop that runs until nothing is left to do.
#ifndef RELAYD_INGRESS_NODE_MEMORY_STREAM_FIXTURE_H_
#define RELAYD_INGRESS_NODE_MEMORY_STREAM_FIXTURE_H_

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "ingress/event_loop.h"
#include "ingress/stream.h"

namespace ingress {

// Runs the loop for some turns, as many as anything here takes that needs no descriptor.
inline void Settle(EventLoop& loop) {
  int turns = 0;
  std::unique_ptr<Deferred> again;
  again = std::make_unique<Deferred>(loop, [&] { ++turns < 200 ? again->Schedule() : loop.Stop(); });
  again->Schedule();
  loop.Run();
}

// Runs it until `condition` holds.
inline void RunUntil(EventLoop& loop, const std::function<bool()>& condition) {
  std::unique_ptr<Timer> again;
  again = std::make_unique<Timer>(loop, [&] { condition() ? loop.Stop() : again->Set(std::chrono::milliseconds(1)); });
  again->Set(std::chrono::milliseconds(0));
  loop.Run();
}

// What lies between the two ends. The client's side is the test's; edges are told as an event loop would.
class MemoryClient {
 public:
  explicit MemoryClient(EventLoop& loop) : state_(std::make_shared<State>(loop)) {}

  std::unique_ptr<Stream> TakeStream() { return std::make_unique<End>(state_); }

  void Send(std::string_view bytes) {
    state_->to_server += bytes;
    state_->Tell();
  }
  void EndWrite() {
    state_->ended = true;
    state_->Tell();
  }
  void Reset() {
    state_->reset = true;
    state_->Tell();
  }
  // Takes what has come so far.
  std::string Receive() {
    std::string bytes = std::exchange(state_->to_client, {});
    state_->Tell();
    return bytes;
  }
  void SetRoom(size_t bytes) { state_->room = bytes; }        // That may wait for Receive.
  void SetPiece(size_t bytes) { state_->piece = bytes; }      // Of a Read at most.
  size_t unread() const { return state_->to_server.size(); }  // By the server.
  bool has_sent() const { return !state_->to_client.empty(); }
  bool closed() const { return state_->closed; }            // The stream was destroyed,
  bool aborted() const { return state_->aborted; }          // or reset,
  bool write_ended() const { return state_->write_ended; }  // or ended its way.

 private:
  struct State {
    explicit State(EventLoop& loop)
        : tell(loop, [this] {
            const std::function<void()> call = ready;
            if (call) call();
          }) {}
    void Tell() {
      if (std::exchange(waits, false)) tell.Schedule();
    }
    std::string to_server, to_client;
    size_t room = SIZE_MAX, piece = SIZE_MAX;
    bool ended = false, reset = false, closed = false, aborted = false, write_ended = false;
    bool waits = false;  // Something said kAgain.
    std::function<void()> ready;
    Deferred tell;
  };

  class End : public Stream {
   public:
    explicit End(std::shared_ptr<State> state) : state_(std::move(state)) {}
    ~End() override {
      state_->closed = true;
      state_->ready = nullptr;
    }
    IoResult Read(std::span<char> into) override {
      if (state_->reset || state_->aborted) return {.status = IoStatus::kError};
      std::string& from = state_->to_server;
      const size_t size = std::min({into.size(), from.size(), state_->piece});
      if (size == 0) return state_->ended ? IoResult{.status = IoStatus::kEnd} : Again();
      std::copy_n(from.begin(), size, into.begin());
      from.erase(0, size);
      return {.status = IoStatus::kOk, .bytes = size};
    }
    IoResult Write(std::string_view bytes) override {
      if (state_->reset || state_->aborted) return {.status = IoStatus::kError};
      const size_t size = std::min(bytes.size(), state_->room - std::min(state_->room, state_->to_client.size()));
      if (size == 0) return Again();
      state_->to_client += bytes.substr(0, size);
      return {.status = IoStatus::kOk, .bytes = size};
    }
    IoResult EndWrite() override {
      state_->write_ended = true;
      return {.status = IoStatus::kOk};
    }
    void Abort() override { state_->aborted = true; }
    void OnReady(std::function<void()> ready) override { state_->ready = std::move(ready); }

   private:
    IoResult Again() {
      state_->waits = true;
      return {.status = IoStatus::kAgain};
    }
    std::shared_ptr<State> state_;
  };

  std::shared_ptr<State> state_;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_MEMORY_STREAM_FIXTURE_H_
