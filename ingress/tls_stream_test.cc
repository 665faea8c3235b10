#include "ingress/tls_stream.h"

#include <gtest/gtest.h>

#include "ingress/tls_fixture.h"

namespace ingress {
namespace {

using Step = TlsStream::Step;

class TlsStreamTest : public testing::Test {
 protected:
  TlsStreamTest() : client_(std::move(pair_.peer), {.name = "node.example", .alpn = "\x02h2\x08http/1.1"}) {}

  void Start(std::string ahead = {}) {
    thread_.Call([&] {
      closer_ = std::make_shared<LingeringCloser>(thread_.loop);
      TlsStream::Ssl ssl(SSL_new(context_.get()));
      SSL_set_accept_state(ssl.get());
      stream_ = TlsStream::Make(thread_.loop, std::move(pair_.ours), std::move(ahead), std::move(ssl), closer_);
      stream_->OnReady([this] { OnReady(); });
    });
  }
  void OnReady() {
    ++ready_;
    if (step_ == Step::kAgain) step_ = stream_->Handshake();
  }
  void Connect() {
    Start();
    ASSERT_TRUE(client_.Handshake());
    ASSERT_TRUE(thread_.Await([&] { return step_ == Step::kDone; }));
  }
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
    thread_.Call([&] {
      stream_.reset();
      closer_.reset();
    });
  }

  Context context_ = MakeServerContext("node.example");
  LoopThread thread_;
  TcpPair pair_;
  TlsClient client_;
  std::shared_ptr<LingeringCloser> closer_;
  std::unique_ptr<TlsStream> stream_;
  Step step_ = Step::kAgain;
  int ready_ = 0;
};

TEST_F(TlsStreamTest, ReadsWritesAndEndsBothWays) {
  Connect();
  std::string bytes;
  ASSERT_TRUE(client_.Send("hello"));
  EXPECT_EQ(AwaitRead(bytes), IoStatus::kOk);
  EXPECT_EQ(bytes, "hello");
  client_.EndWrite();
  EXPECT_EQ(AwaitRead(bytes), IoStatus::kEnd);
  EXPECT_EQ(thread_.Call([&] { return stream_->Write("bye").bytes; }), 3U);
  EXPECT_EQ(thread_.Call([&] { return stream_->EndWrite().status; }), IoStatus::kOk);
  EXPECT_EQ(client_.ReceiveAll(), "bye");
}

TEST_F(TlsStreamTest, AFinWithoutCloseNotifyIsAnError) {
  Connect();
  client_.peer().EndWrite();
  std::string bytes;
  EXPECT_EQ(AwaitRead(bytes), IoStatus::kError);
}

TEST_F(TlsStreamTest, AbortIsAReset) {
  Connect();
  thread_.Call([&] { stream_->Abort(); });
  EXPECT_EQ(client_.peer().ReceiveAll().find("reset") != std::string::npos, true);
}

TEST_F(TlsStreamTest, DestroyedItDeliversAndEnds) {
  Connect();
  thread_.Call([&] {
    EXPECT_EQ(stream_->Write("last words").bytes, 10U);
    stream_.reset();
  });
  // What the client still sends must not take them back.
  client_.Send(std::string(100'000, 'x'));
  EXPECT_EQ(client_.ReceiveAll(), "last words");
}

// Records that the socket has no room for are the stream's, until they are sent.
TEST_F(TlsStreamTest, AllThatWasTakenArrivesAlsoAfterItsEnd) {
  Connect();
  const std::string piece(65'536, 'y');
  size_t written = 0;
  thread_.Call([&] {
    IoResult result;
    while ((result = stream_->Write(piece)).status == IoStatus::kOk) written += result.bytes;
    EXPECT_EQ(result.status, IoStatus::kAgain);
    stream_.reset();
    EXPECT_EQ(closer_->size(), 1U);
  });
  EXPECT_EQ(client_.ReceiveExactly(written).size(), written);
  EXPECT_EQ(client_.Receive(), "");
  client_.peer().Close();
  EXPECT_TRUE(thread_.Await([&] { return closer_->size() == 0; }));
}

TEST_F(TlsStreamTest, BytesAheadAreTheFirst) {
  // The hello is read here, and given as bytes ahead.
  std::thread client([&] { EXPECT_TRUE(client_.Handshake()); });
  std::string hello(4096, '\0');
  ssize_t size = -1;
  while ((size = recv(pair_.ours.get(), hello.data(), hello.size(), 0)) < 0) {
  }
  hello.resize(static_cast<size_t>(size));
  Start(hello);
  thread_.Call([&] { OnReady(); });
  client.join();
  EXPECT_TRUE(thread_.Await([&] { return step_ == Step::kDone; }));
}

TEST_F(TlsStreamTest, TellsOfTheHelloAndAnswersAlpn) {
  Start();
  std::string seen;
  thread_.Call([&] {
    stream_->OnHello([&](const TlsHello& hello) {
      seen = std::string(hello.server_name.value_or("none"));
      for (const std::string_view protocol : hello.alpn) seen += "," + std::string(protocol);
      return TlsVerdict{.alpn = "http/1.1"};
    });
  });
  ASSERT_TRUE(client_.Handshake());
  EXPECT_TRUE(thread_.Await([&] { return step_ == Step::kDone; }));
  EXPECT_EQ(seen, "node.example,h2,http/1.1");
  EXPECT_EQ(client_.Alpn(), "http/1.1");
}

TEST_F(TlsStreamTest, RefusesWithAnAlert) {
  Start();
  thread_.Call([&] {
    stream_->OnHello([](const TlsHello&) {
      return TlsVerdict{.what = TlsVerdict::What::kRefuse, .alert = SSL_AD_UNRECOGNIZED_NAME};
    });
  });
  EXPECT_FALSE(client_.Handshake());
  EXPECT_EQ(client_.alert(), SSL_AD_UNRECOGNIZED_NAME);
  EXPECT_TRUE(thread_.Await([&] { return step_ == Step::kFailed; }));
}

TEST_F(TlsStreamTest, GivesBackWhatItHasRead) {
  Start();
  thread_.Call(
      [&] { stream_->OnHello([](const TlsHello&) { return TlsVerdict{.what = TlsVerdict::What::kTakeBack}; }); });
  std::thread client([&] { EXPECT_FALSE(client_.Handshake()); });
  EXPECT_TRUE(thread_.Await([&] { return step_ == Step::kTakeBack; }));
  std::string ahead;
  const relay::Fd fd = thread_.Call([&] { return stream_->TakeBack(ahead); });
  ASSERT_GT(ahead.size(), 100U);
  EXPECT_EQ(ahead.substr(0, 2), "\x16\x03");
  EXPECT_EQ(ahead.size(), 5U + static_cast<uint8_t>(ahead[3]) * 256U + static_cast<uint8_t>(ahead[4]));
  EXPECT_EQ(send(fd.get(), "\x15\x03\x03\x00\x02\x02\x28", 7, MSG_NOSIGNAL), 7);  // A raw answer: handshake_failure.
  client.join();
  EXPECT_EQ(client_.alert(), SSL_AD_HANDSHAKE_FAILURE);
}

TEST_F(TlsStreamTest, PlainTextFails) {
  Start();
  client_.peer().Send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(thread_.Await([&] { return step_ == Step::kFailed; }));
}

// What asks for an answer and reads none of them may not fill the memory.
TEST_F(TlsStreamTest, WhoDoesNotReadIsNotReadForEver) {
  const int small = 8192;  // Soon full.
  setsockopt(pair_.ours.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
  Connect();
  std::thread client([&] {
    for (int i = 0; i < 200'000; ++i) {
      SSL_key_update(client_.ssl(), SSL_KEY_UPDATE_REQUESTED);
      if (SSL_do_handshake(client_.ssl()) != 1) break;
    }
  });
  size_t most = 0;
  EXPECT_TRUE(thread_.Await([&] {
    char into[64];
    for (int i = 0; i < 1000; ++i) stream_->Read(into);
    most = std::max(most, stream_->unsent_bytes());
    return stream_->Read(into).status == IoStatus::kError || stream_->unsent_bytes() > 131'072;
  }));
  thread_.Call([&] {
    char into[64];
    for (int i = 0; i < 1000; ++i) stream_->Read(into);
    most = std::max(most, stream_->unsent_bytes());
  });
  EXPECT_GT(most, 100'000U);
  EXPECT_LT(most, 220'000U);
  thread_.Call([&] { stream_->Abort(); });
  client.join();
}

}  // namespace
}  // namespace ingress
