#include "ingress/frontend/splice_pump.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "ingress/frontend/public_socket.h"
#include "ingress/tcp_socket.h"

namespace ingress {
namespace {

using Outcome = SplicePump::Outcome;

// A TCP connection over loopback: `ours` does not block, `far` does.
struct TcpPair {
  TcpPair() {
    absl::StatusOr<relay::Fd> listener = OpenListener(*AddrPort::Parse("127.0.0.1:0"), false);
    EXPECT_TRUE(listener.ok());
    sockaddr_storage address{};
    const socklen_t size = ToSockaddr(LocalAddr(listener->get()), address);
    far = relay::Fd(socket(AF_INET, SOCK_STREAM, 0));
    EXPECT_EQ(connect(far.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    ours = relay::Fd(accept4(listener->get(), nullptr, nullptr, SOCK_NONBLOCK));
    EXPECT_GE(ours.get(), 0);
  }
  relay::Fd ours, far;
};

class SplicePumpTest : public testing::Test {
 protected:
  SplicePump::Visit Run(size_t allowed = kCopyBytes) {
    return pump_.Run(in_.ours.get(), out_.ours.get(), allowed, {buffer_, pipes_});
  }
  // `size` bytes that differ from their neighbours, from one end to the other; what came out.
  void Carry(size_t size) {
    std::string sent(size, 0);
    for (size_t i = 0; i < size; ++i) sent[i] = static_cast<char>(i * 2654435761U >> 13);
    std::string received;
    std::vector<char> buffer(kCopyBytes);
    for (size_t at = 0; received.size() < size;) {
      if (at < size) {
        const ssize_t n = send(in_.far.get(), sent.data() + at, size - at, MSG_DONTWAIT);
        at += static_cast<size_t>(std::max<ssize_t>(n, 0));
      }
      const SplicePump::Visit visit = Run();
      ASSERT_NE(visit.outcome, Outcome::kFailed);
      ASSERT_NE(visit.outcome, Outcome::kEnded);
      const ssize_t n = recv(out_.far.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (n > 0) received.append(buffer.data(), static_cast<size_t>(n));
    }
    EXPECT_TRUE(received == sent);
  }
  // Until the receiver takes no more.
  void Fill() {
    const std::string bytes(kCopyBytes, 'f');
    for (Outcome outcome = Outcome::kMore; outcome != Outcome::kWaitWrite; outcome = Run().outcome) {
      ASSERT_NE(outcome, Outcome::kFailed);
      send(in_.far.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    }
  }

  TcpPair in_, out_;
  std::vector<char> buffer_ = std::vector<char>(kCopyBytes);
  PipePool pipes_{1};
  SplicePump pump_;
};

TEST_F(SplicePumpTest, CopiesFirstAndThenSplices) {
  Carry(kSpliceAfter / 2);
  EXPECT_EQ(pipes_.open(), 0u);
  Carry(4 * kSpliceAfter);
  EXPECT_EQ(pipes_.open(), 1u);
  EXPECT_EQ(Run().outcome, Outcome::kWaitRead);
  EXPECT_TRUE(pipes_.Take());  // It is back.
}

TEST_F(SplicePumpTest, GoesOnCopyingWithoutAPipe) {
  std::optional<Pipe> taken = pipes_.Take();
  Carry(4 * kSpliceAfter);
  EXPECT_EQ(pipes_.open(), 1u);
}

TEST_F(SplicePumpTest, WhatWasPutGoesFirst) {
  ASSERT_EQ(write(in_.far.get(), "end", 3), 3);
  std::string first(8 << 20, 'a');  // More than a socket takes.
  EXPECT_EQ(pump_.Put(out_.ours.get(), first).outcome, Outcome::kWaitWrite);
  EXPECT_TRUE(pump_.blocked());
  std::string got;
  std::vector<char> buffer(kCopyBytes);
  while (got.size() < first.size() + 3) {
    const ssize_t n = recv(out_.far.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n > 0) got.append(buffer.data(), static_cast<size_t>(n));
    ASSERT_NE(Run().outcome, Outcome::kFailed);
  }
  EXPECT_TRUE(got == first + "end");
}

TEST_F(SplicePumpTest, WhatIsTakenAtOnceIsNotKept) {
  const SplicePump::Visit visit = pump_.Put(out_.ours.get(), "hello");
  EXPECT_EQ(visit.outcome, Outcome::kWaitRead);
  EXPECT_EQ(visit.written, 5u);
  EXPECT_FALSE(pump_.blocked());
}

TEST_F(SplicePumpTest, ASlowReceiverStopsReadingAndHoldsLittle) {
  const int small = 16'384;
  setsockopt(out_.far.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
  setsockopt(out_.ours.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
  std::optional<Pipe> taken = pipes_.Take();
  Fill();
  EXPECT_TRUE(pump_.blocked());
  EXPECT_LE(pump_.held_bytes(), kCopyBytes);
  EXPECT_EQ(Run().read, 0u);
  std::vector<char> sink(kCopyBytes);
  while (Run().outcome == Outcome::kWaitWrite) ASSERT_GT(recv(out_.far.get(), sink.data(), sink.size(), 0), 0);
  Fill();
  EXPECT_LE(pump_.held_bytes(), kSlowCopyBytes);
}

TEST_F(SplicePumpTest, AFullPipeIsNotReturned) {
  Carry(2 * kSpliceAfter);
  Fill();
  EXPECT_TRUE(pump_.blocked());
  EXPECT_EQ(pump_.held_bytes(), 0u);  // In the pipe.
  EXPECT_FALSE(pipes_.Take());
  pump_.Release(pipes_);
  EXPECT_EQ(pipes_.open(), 0u);
}

TEST_F(SplicePumpTest, TellsOfTheEndBehindTheLastByte) {
  ASSERT_EQ(write(in_.far.get(), "x", 1), 1);
  shutdown(in_.far.get(), SHUT_WR);
  pump_.ExpectEnd();
  const SplicePump::Visit last = Run();
  EXPECT_EQ(last.outcome, Outcome::kMore);
  EXPECT_EQ(last.written, 1u);
  EXPECT_EQ(Run().outcome, Outcome::kEnded);
  EXPECT_TRUE(pump_.ended());
}

TEST_F(SplicePumpTest, TellsOfTheEndWhenItSplices) {
  Carry(2 * kSpliceAfter);
  shutdown(in_.far.get(), SHUT_WR);
  EXPECT_EQ(Run().outcome, Outcome::kEnded);
  EXPECT_TRUE(pipes_.Take());
}

TEST_F(SplicePumpTest, AResetIsAFailure) {
  ResetOnClose(in_.far.get());
  in_.far = relay::Fd();
  EXPECT_EQ(Run().outcome, Outcome::kFailed);
}

TEST_F(SplicePumpTest, MovesNoMoreThanAllowed) {
  ASSERT_EQ(write(in_.far.get(), "abcdef", 6), 6);
  EXPECT_EQ(Run(4).read, 4u);
  EXPECT_EQ(Run(4).read, 2u);
}

}  // namespace
}  // namespace ingress
