#include "ingress/node/file_responder.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "ingress/node/content_type.h"
#include "ingress/node/file_conditions.h"
#include "ingress/node/http_date.h"
#include "ingress/node/open_beneath.h"
#include "ingress/node/transaction_fixture.h"
#include "relay/control/text.h"

namespace ingress {
namespace {

namespace fs = std::filesystem;
namespace text = relay::text;

// A folder to serve, and a secret beside it.
struct FileResponderTest : testing::Test {
  FileResponderTest() {
    char pattern[] = "/tmp/file_responder_test.XXXXXX";
    top = mkdtemp(pattern);
    root = top / "www";
    Write(top / "secret", "secret");
    Write(top / "outside/index.html", "outside");
    Write(root / "index.html", "index");
    Write(root / "a b.txt", "0123456789");
    Write(root / "sub/index.html", "sub");
    Write(root / "empty/x", "");
    fs::create_symlink("../secret", root / "out");
    fs::create_symlink(top / "secret", root / "absolute");
    fs::create_symlink("/proc/self/root", root / "magic");
    fs::create_symlink("../outside", root / "folder_out");
    fs::create_symlink("a b.txt", root / "within");
    fs::create_symlink("loop", root / "loop");
    EXPECT_EQ(mkfifo((root / "fifo").c_str(), 0600), 0);
  }
  ~FileResponderTest() override { fs::remove_all(top); }
  static void Write(const fs::path& path, std::string_view content) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << content;
  }
  FakeTransaction Ask(std::string_view path, HttpFields fields = {}, std::string_view method = "GET",
                      size_t piece = SIZE_MAX) const {
    return AskOf(root, path, std::move(fields), method, piece);
  }
  FakeTransaction AskOf(const fs::path& served, std::string_view path, HttpFields fields = {},
                        std::string_view method = "GET", size_t piece = SIZE_MAX) const {
    RequestHead request;
    request.method = method;
    request.target = text::Cat("/mount", path);
    request.fields = std::move(fields);
    FakeTransaction transaction;
    const auto responder = MakeFileResponder(transaction, request, served.string(), path, open);
    transaction.Run(*responder, piece);
    return transaction;
  }

  fs::path top, root;
  mutable OpenFiles open;
};

TEST_F(FileResponderTest, AFile) {
  const FakeTransaction got = Ask("/a b.txt");
  EXPECT_EQ(got.head.status, 200);
  EXPECT_EQ(got.body, "0123456789");
  EXPECT_EQ(got.head.content_length, 10u);
  EXPECT_EQ(got.Field("Content-Type"), "text/plain; charset=utf-8");
  EXPECT_EQ(got.Field("Accept-Ranges"), "bytes");
  EXPECT_TRUE(ParseHttpDate(got.Field("Date")));
  const FakeTransaction head = Ask("/a b.txt", {}, "HEAD");
  EXPECT_EQ(head.head.content_length, 10u);
  EXPECT_EQ(head.body, "");
  EXPECT_EQ(Ask("/within").body, "0123456789");
  EXPECT_EQ(Ask("/empty/x").head.content_length, 0u);
}

TEST_F(FileResponderTest, Folders) {
  EXPECT_EQ(Ask("/").body, "index");
  EXPECT_EQ(Ask("/sub/").body, "sub");
  EXPECT_EQ(Ask("/sub/").Field("Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(Ask("/sub").head.status, 301);
  EXPECT_EQ(Ask("/sub").Field("Location"), "/mount/sub/");
  EXPECT_EQ(Ask("/empty/").head.status, 404) << "no listing";
}

TEST_F(FileResponderTest, NothingOutsideOfTheFolder) {
  for (const std::string_view path : {"/../secret", "/sub/../../secret", "/out", "/absolute", "/magic/etc/passwd",
                                      "/folder_out/", "/folder_out/index.html", "/loop", "/fifo", "/none", "/a b.txt/",
                                      "/a b.txt/x", "//proc/self/environ", "/sub//../../secret"}) {
    const FakeTransaction got = Ask(path);
    EXPECT_EQ(got.head.status, 404) << path;
    EXPECT_EQ(got.body, "not found\n") << path;
  }
}

TEST_F(FileResponderTest, NorWithoutOpenat2) {
  const relay::Fd folder(::open(root.c_str(), O_RDONLY | O_DIRECTORY));
  const auto opens = [&](const std::string& path) { return OpenBeneathByWalking(folder.get(), path).get() >= 0; };
  for (const std::string path : {"", "a b.txt", "sub", "sub/index.html", "/sub//./index.html"}) {
    EXPECT_TRUE(opens(path)) << path;
    EXPECT_GE(OpenBeneath(folder.get(), path.substr(path.starts_with('/') ? 1 : 0)).get(), 0) << path;
  }
  for (const std::string path : {"../secret", "sub/../../secret", "out", "absolute", "magic/etc/passwd", "folder_out",
                                 "folder_out/index.html", "within", "loop", "none", "a b.txt/x"}) {
    EXPECT_FALSE(opens(path)) << path;
  }
}

TEST_F(FileResponderTest, AFileAsTheMount) {
  EXPECT_EQ(AskOf(root / "a b.txt", "/").body, "0123456789");
  EXPECT_EQ(AskOf(root / "a b.txt", "/x").head.status, 404);
  EXPECT_EQ(AskOf(root / "gone", "/").head.status, 404);
  EXPECT_EQ(AskOf(root / "fifo", "/").head.status, 404);
}

TEST_F(FileResponderTest, GetAndHeadAlone) {
  for (const std::string_view method : {"POST", "PUT", "DELETE", "OPTIONS", "get"}) {
    const FakeTransaction got = Ask("/", {}, method);
    EXPECT_EQ(got.head.status, 405) << method;
    EXPECT_EQ(got.Field("Allow"), "GET, HEAD");
  }
}

TEST_F(FileResponderTest, Ranges) {
  struct Row {
    std::string_view range;
    int status;
    std::string_view body, content_range;
  };
  for (const Row& row :
       {Row{"bytes=0-3", 206, "0123", "bytes 0-3/10"}, Row{"bytes=7-", 206, "789", "bytes 7-9/10"},
        Row{"bytes=-2", 206, "89", "bytes 8-9/10"}, Row{"bytes=-20", 206, "0123456789", "bytes 0-9/10"},
        Row{"bytes=9-99", 206, "9", "bytes 9-9/10"},
        Row{"bytes=0-18446744073709551615", 206, "0123456789", "bytes 0-9/10"},
        Row{"bytes=10-", 416, "range not satisfiable\n", "bytes */10"},
        Row{"bytes=-0", 416, "range not satisfiable\n", "bytes */10"}, Row{"bytes=3-1", 200, "0123456789", ""},
        Row{"bytes=0-1,3-4", 200, "0123456789", ""}, Row{"bytes=", 200, "0123456789", ""},
        Row{"bytes=-", 200, "0123456789", ""}, Row{"lines=0-1", 200, "0123456789", ""},
        Row{"bytes=0-99999999999999999999", 200, "0123456789", ""}, Row{"bytes=a-b", 200, "0123456789", ""}}) {
    const FakeTransaction got = Ask("/a b.txt", {{"range", std::string(row.range)}});
    EXPECT_EQ(got.head.status, row.status) << row.range;
    EXPECT_EQ(got.body, row.body) << row.range;
    EXPECT_EQ(got.Field("Content-Range"), row.content_range) << row.range;
    EXPECT_EQ(got.head.content_length, row.body.size()) << row.range;
  }
  EXPECT_EQ(Ask("/a b.txt", {{"Range", "bytes=0-3"}}, "HEAD").head.status, 200);
  const std::string etag = Ask("/a b.txt").Field("ETag"), modified = Ask("/a b.txt").Field("Last-Modified");
  EXPECT_EQ(Ask("/a b.txt", {{"Range", "bytes=0-3"}, {"If-Range", etag}}).head.status, 206);
  EXPECT_EQ(Ask("/a b.txt", {{"Range", "bytes=0-3"}, {"If-Range", modified}}).head.status, 206);
  EXPECT_EQ(Ask("/a b.txt", {{"Range", "bytes=0-3"}, {"If-Range", "\"x\""}}).head.status, 200);
  EXPECT_EQ(Ask("/empty/x", {{"Range", "bytes=0-"}}).head.status, 416);
}

TEST_F(FileResponderTest, WhatTheClientHasAlready) {
  const std::string etag = Ask("/a b.txt").Field("ETag"), modified = Ask("/a b.txt").Field("Last-Modified");
  const auto status = [this](HttpFields fields) { return Ask("/a b.txt", std::move(fields)).head.status; };
  EXPECT_EQ(status({{"If-None-Match", etag}}), 304);
  EXPECT_EQ(status({{"If-None-Match", "W/" + etag}}), 304);
  EXPECT_EQ(status({{"If-None-Match", "\"x\", " + etag}}), 304);
  EXPECT_EQ(status({{"If-None-Match", "*"}}), 304);
  EXPECT_EQ(status({{"If-None-Match", "\"x\""}, {"If-Modified-Since", modified}}), 200);
  EXPECT_EQ(status({{"If-Modified-Since", modified}}), 304);
  EXPECT_EQ(status({{"If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"}}), 200);
  EXPECT_EQ(status({{"If-Modified-Since", "tomorrow"}}), 200);
  const FakeTransaction got = Ask("/a b.txt", {{"If-None-Match", etag}});
  EXPECT_EQ(got.body, "");
  EXPECT_EQ(got.Field("ETag"), etag);
  Write(root / "a b.txt", "0123456789a");
  EXPECT_EQ(status({{"If-None-Match", etag}}), 200);
}

TEST_F(FileResponderTest, StreamsAsTheClientTakesIt) {
  std::string large;
  for (int i = 0; large.size() < 1'000'000; ++i) text::AppendAll(large, i, ",");
  Write(root / "large", large);
  for (const size_t piece : {size_t{777}, size_t{65'536}, SIZE_MAX}) {
    const FakeTransaction got = Ask("/large", {}, "GET", piece);
    EXPECT_TRUE(got.finished && got.body == large);
  }
  const FakeTransaction part = Ask("/large", {{"Range", "bytes=500000-900000"}}, "GET", 1000);
  EXPECT_EQ(part.body, large.substr(500'000, 400'001));
}

TEST_F(FileResponderTest, AFileThatIsCutShortMeanwhile) {
  Write(root / "large", std::string(200'000, 'x'));
  RequestHead request;
  request.method = "GET";
  request.target = "/large";
  FakeTransaction transaction;
  transaction.room = 1000;
  const auto responder = MakeFileResponder(transaction, request, root.string(), "/large", open);
  responder->Start();
  fs::resize_file(root / "large", 10);
  transaction.taken = 0;
  responder->OnSendReady();
  EXPECT_TRUE(transaction.aborted && !transaction.finished);
}

// Who asks and takes nothing must not have all descriptors in the end.
TEST_F(FileResponderTest, SoManyAreOpenAtOnce) {
  Write(root / "large", std::string(200'000, 'x'));
  open.most = 2;
  RequestHead request;
  request.method = "GET";
  FakeTransaction transaction;
  transaction.room = 1000;
  std::vector<std::unique_ptr<HttpResponder>> stalled;
  for (int i = 0; i < 2; ++i) {
    stalled.push_back(MakeFileResponder(transaction, request, root.string(), "/large", open));
    stalled.back()->Start();
  }
  EXPECT_EQ(open.now.Get(), 2U);
  const FakeTransaction refused = Ask("/large");
  EXPECT_EQ(refused.head.status, 503);
  EXPECT_EQ(refused.Field("Retry-After"), "1");
  EXPECT_EQ(open.refused.Get(), 1U);
  stalled.clear();
  EXPECT_EQ(Ask("/large").head.status, 200);
  EXPECT_EQ(open.now.Get(), 0U);
}

TEST(HttpDateTest, ThereAndBack) {
  EXPECT_EQ(FormatHttpDate(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(ParseHttpDate("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
  for (const int64_t time : {int64_t{0}, int64_t{951'782'400}, int64_t{4'102'444'799}}) {
    EXPECT_EQ(ParseHttpDate(FormatHttpDate(time)), time);
  }
  for (const std::string_view bad :
       {"", "Mon, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, +6 Nov 1994 08:49:37 GMT"}) {
    EXPECT_EQ(ParseHttpDate(bad), std::nullopt) << bad;
  }
}

TEST(ContentTypeTest, ByExtension) {
  EXPECT_EQ(ContentTypeOf("a/b.HTML"), "text/html; charset=utf-8");
  EXPECT_EQ(ContentTypeOf("x.tar.gz"), "application/gzip");
  EXPECT_EQ(ContentTypeOf("a.png/b"), "application/octet-stream");
  EXPECT_EQ(ContentTypeOf("b."), "application/octet-stream");
}

}  // namespace
}  // namespace ingress
