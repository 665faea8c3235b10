#include "ingress/tcp_stream.h"

#include <gtest/gtest.h>

#include "ingress/loop_fixture.h"

namespace ingress {
namespace {

class TcpStreamTest : public testing::Test {
 protected:
  void Start(std::string ahead = {}) {
    thread_.Call([&] {
      stream_ = TcpStream::Make(thread_.loop, std::move(pair_.ours), std::move(ahead));
      stream_->OnReady([this] { ++ready_; });
    });
  }
  IoResult Read(std::string& into) {
    char bytes[64];
    const IoResult result = thread_.Call([&] { return stream_->Read(bytes); });
    into.assign(bytes, result.bytes);
    return result;
  }
  // What is read next, once there is something: bytes or an end.
  IoStatus AwaitRead(std::string& into) {
    IoResult result;
    thread_.Await([&] {
      char bytes[64];
      result = stream_->Read(bytes);
      into.assign(bytes, result.bytes);
      return result.status != IoStatus::kAgain;
    });
    return result.status;
  }
  void TearDown() override {
    thread_.Call([&] { stream_.reset(); });
  }

  LoopThread thread_;
  TcpPair pair_;
  std::unique_ptr<TcpStream> stream_;
  int ready_ = 0;
};

TEST_F(TcpStreamTest, ReadsWritesAndEndsBothWays) {
  Start();
  std::string bytes;
  EXPECT_EQ(Read(bytes).status, IoStatus::kAgain);
  pair_.peer.Send("hello");
  EXPECT_EQ(AwaitRead(bytes), IoStatus::kOk);
  EXPECT_EQ(bytes, "hello");
  EXPECT_GT(thread_.Call([&] { return ready_; }), 0);
  pair_.peer.EndWrite();
  EXPECT_EQ(AwaitRead(bytes), IoStatus::kEnd);
  EXPECT_EQ(thread_.Call([&] { return stream_->Write("bye").bytes; }), 3U);
  EXPECT_EQ(thread_.Call([&] { return stream_->EndWrite().status; }), IoStatus::kOk);
  EXPECT_EQ(pair_.peer.ReceiveAll(), "bye");
}

TEST_F(TcpStreamTest, GivesBytesAheadFirst) {
  Start("ahead,");
  EXPECT_EQ(thread_.Call([&] { return stream_->RawFd(); }), -1);
  std::string bytes;
  EXPECT_EQ(AwaitRead(bytes), IoStatus::kOk);
  EXPECT_EQ(bytes, "ahead,");
  EXPECT_GE(thread_.Call([&] { return stream_->RawFd(); }), 0);
  pair_.peer.Send("behind");
  EXPECT_EQ(AwaitRead(bytes), IoStatus::kOk);
  EXPECT_EQ(bytes, "behind");
}

TEST_F(TcpStreamTest, AFinRightBehindBytesIsSeen) {
  pair_.peer.Send("last");
  pair_.peer.EndWrite();
  Start();
  std::string bytes;
  EXPECT_EQ(AwaitRead(bytes), IoStatus::kOk);
  EXPECT_EQ(AwaitRead(bytes), IoStatus::kEnd);
}

TEST_F(TcpStreamTest, AResetIsAnErrorBehindTheEndToo) {
  Start();
  std::string bytes;
  pair_.peer.EndWrite();
  EXPECT_EQ(AwaitRead(bytes), IoStatus::kEnd);
  pair_.peer.Reset();
  EXPECT_TRUE(thread_.Await([&] { return stream_->Write({}).status == IoStatus::kError; }));
  EXPECT_EQ(AwaitRead(bytes), IoStatus::kError);
}

TEST_F(TcpStreamTest, AbortIsAReset) {
  Start();
  thread_.Call([&] { stream_->Abort(); });
  EXPECT_EQ(pair_.peer.Receive(), "reset");
  EXPECT_EQ(thread_.Call([&] { return stream_->Write("x").status; }), IoStatus::kError);
}

TEST_F(TcpStreamTest, WriteWaitsForRoomAndIsToldOfIt) {
  Start();
  const std::string piece(1 << 20, 'x');
  size_t written = 0;
  thread_.Call([&] {
    IoResult result;
    while ((result = stream_->Write(piece)).status == IoStatus::kOk) written += result.bytes;
    EXPECT_EQ(result.status, IoStatus::kAgain);
    ready_ = 0;
  });
  EXPECT_EQ(pair_.peer.ReceiveExactly(written).size(), written);
  EXPECT_TRUE(thread_.Await([&] { return ready_ > 0 && stream_->Write("x").status == IoStatus::kOk; }));
}

TEST_F(TcpStreamTest, ConnectsAndFailsToConnect) {
  TestListener listener;
  const ReservedAddr nobody;
  thread_.Call([&] { stream_ = TcpStream::Connect(thread_.loop, listener.addr()); });
  const Peer peer = listener.Accept();
  EXPECT_TRUE(thread_.Await([&] { return stream_->connected() && stream_->Write("x").bytes == 1; }));
  EXPECT_EQ(peer.Receive(), "x");
  thread_.Call([&] { stream_ = TcpStream::Connect(thread_.loop, nobody.addr()); });
  if (thread_.Call([&] { return stream_ == nullptr; })) return;  // Refused at once.
  std::string bytes;
  EXPECT_EQ(AwaitRead(bytes), IoStatus::kError);
}

}  // namespace
}  // namespace ingress
