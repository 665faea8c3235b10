#include "ingress/byte_pump.h"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>

#include "ingress/loop_fixture.h"
#include "ingress/tcp_stream.h"

namespace ingress {
namespace {

using std::chrono::milliseconds;

class BytePumpTest : public testing::Test {
 protected:
  void Start(Duration idle = BytePump::kIdleTime) {
    thread_.Call([&] {
      pump_ = std::make_unique<BytePump>(thread_.loop, TcpStream::Make(thread_.loop, std::move(left_.ours)),
                                         TcpStream::Make(thread_.loop, std::move(right_.ours)), idle,
                                         [this](BytePump::End end) {
                                           end_ = end;
                                           pump_.reset();
                                         });
    });
  }
  bool AwaitEnd(BytePump::End end) {
    return thread_.Await([&] { return end_ == end; });
  }
  void TearDown() override {
    thread_.Call([&] { pump_.reset(); });
  }

  LoopThread thread_;
  TcpPair left_{65'536}, right_{65'536};
  std::unique_ptr<BytePump> pump_;
  std::optional<BytePump::End> end_;
  std::atomic<int> sent_{0};
};

TEST_F(BytePumpTest, CopiesBothWaysAndCarriesHalfCloses) {
  Start();
  left_.peer.Send("ping");
  EXPECT_EQ(right_.peer.Receive(), "ping");
  left_.peer.EndWrite();
  EXPECT_EQ(right_.peer.Receive(), "");
  right_.peer.Send("pong");
  EXPECT_EQ(left_.peer.Receive(), "pong");
  right_.peer.EndWrite();
  EXPECT_EQ(left_.peer.Receive(), "");
  EXPECT_TRUE(AwaitEnd(BytePump::End::kDone));
}

TEST_F(BytePumpTest, AResetIsCarriedEitherWay) {
  Start();
  left_.peer.Reset();
  EXPECT_EQ(right_.peer.Receive(), "reset");
  EXPECT_TRUE(AwaitEnd(BytePump::End::kReset));
}

TEST_F(BytePumpTest, AResetIsSeenWhileTheOtherSideTakesNothing) {
  Start();
  std::thread sender([&] {
    while (left_.peer.Send(std::string(65'536, 'x'))) {
      if (sent_.fetch_add(1) > 2000) break;
    }
  });
  // Until everything is full: nothing more is sent for a while.
  for (int last = -1; last != sent_.load(); std::this_thread::sleep_for(milliseconds(100))) last = sent_.load();
  shutdown(left_.peer.fd(), SHUT_RDWR);
  sender.join();
  left_.peer.Reset();
  EXPECT_TRUE(AwaitEnd(BytePump::End::kReset));
}

TEST_F(BytePumpTest, MuchArrivesWholeThroughSlowReaders) {
  Start();
  std::string bytes(8 << 20, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * i >> 7);
  std::thread up([&] { left_.peer.Send(bytes), left_.peer.EndWrite(); });
  std::thread down([&] { right_.peer.Send(bytes), right_.peer.EndWrite(); });
  std::string at_left;
  std::thread reader([&] { at_left = left_.peer.ReceiveAll(); });
  EXPECT_TRUE(right_.peer.ReceiveAll() == bytes);
  up.join();
  down.join();
  reader.join();
  EXPECT_TRUE(at_left == bytes);
  EXPECT_TRUE(AwaitEnd(BytePump::End::kDone));
}

TEST_F(BytePumpTest, AnIdlePairIsReset) {
  Start(milliseconds(50));
  EXPECT_EQ(left_.peer.Receive(), "reset");
  EXPECT_EQ(right_.peer.Receive(), "reset");
  EXPECT_TRUE(AwaitEnd(BytePump::End::kIdle));
}

}  // namespace
}  // namespace ingress
