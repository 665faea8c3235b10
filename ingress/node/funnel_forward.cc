#include "ingress/node/funnel_forward.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include "relay/control/log.h"

namespace ingress {

class FunnelForwards::Forward {
 public:
  Forward(FunnelForwards& all, std::unique_ptr<Stream> client, std::unique_ptr<TcpStream> backend, std::string front)
      : all_(all),
        client_(std::move(client)),
        backend_(std::move(backend)),
        front_(std::move(front)),
        dial_timer_(all.loop_, [this] { Fail(); }) {
    backend_->OnReady([this] { OnDialed(); });
    dial_timer_.Set(all_.options_.dial_timeout);
  }
  ~Forward() {
    if (client_ != nullptr) client_->Abort();
  }

 private:
  void OnDialed() {
    if (!backend_->connected() && !backend_->broken()) return;
    // A new connection has room for so little.
    if (backend_->broken() || (!front_.empty() && backend_->Write(front_).bytes != front_.size())) return Fail();
    dial_timer_.Cancel();
    backend_->OnReady({});
    pump_ = std::make_unique<BytePump>(all_.loop_, std::move(client_), std::move(backend_), all_.options_.idle_time,
                                       [this](BytePump::End) { End(); });
  }
  void Fail() {
    all_.stats_->backend_failed.Add(1);
    End();
  }
  void End() { all_.forwards_.erase(all_.forwards_.find(this)); }

  FunnelForwards& all_;
  std::unique_ptr<Stream> client_;
  std::unique_ptr<TcpStream> backend_;
  std::string front_;
  Timer dial_timer_;
  std::unique_ptr<BytePump> pump_;  // Once the backend is there.
};

FunnelForwards::FunnelForwards(EventLoop& loop, const FunnelManager::Options& options,
                               std::shared_ptr<FunnelManager::Stats> stats)
    : loop_(loop), options_(options), stats_(std::move(stats)) {}
FunnelForwards::~FunnelForwards() = default;

void FunnelForwards::Start(std::unique_ptr<Stream> client, const AddrPort& backend, std::string front) {
  std::unique_ptr<TcpStream> connection = TcpStream::Connect(loop_, backend);
  if (connection == nullptr) {
    stats_->backend_failed.Add(1);
    client->Abort();
    return;
  }
  forwards_.insert(std::make_unique<Forward>(*this, std::move(client), std::move(connection), std::move(front)));
}

}  // namespace ingress
