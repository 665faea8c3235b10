#include "ingress/frontend/public_listeners.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>

#include "ingress/frontend/public_socket.h"
#include "ingress/tcp_socket.h"

namespace ingress {
namespace {

const AddrPort kAny = *AddrPort::Parse("127.0.0.1:0");

// In a process of its own, where descriptors 3 and up are what systemd would pass. True: `check` says so.
bool InChild(const std::vector<int>& passed, const std::function<bool()>& check) {
  const pid_t child = fork();
  if (child == 0) {
    std::vector<int> high;
    for (const int fd : passed) high.push_back(fcntl(fd, F_DUPFD, 100));
    for (size_t i = 0; i < high.size(); ++i) dup2(high[i], static_cast<int>(3 + i));
    setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
    setenv("LISTEN_FDS", std::to_string(passed.size()).c_str(), 1);
    _exit(check() ? 0 : 1);
  }
  int status = -1;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(PublicListenersTest, BindsWhatIsListed) {
  FrontendOptions options;
  options.listen = {{.addr = kAny}, {.addr = kAny, .public_port = 443}};
  std::vector<std::string> warnings;
  const auto listeners = OpenPublicListeners(options, warnings);
  ASSERT_TRUE(listeners.ok()) << listeners.status();
  ASSERT_EQ((*listeners)->size(), 2u);
  EXPECT_EQ((**listeners)[0].port, (**listeners)[0].local.port);
  EXPECT_EQ((**listeners)[1].port, 443);
  EXPECT_THAT(warnings, testing::IsEmpty());
}

TEST(PublicListenersTest, AnAddressInUseIsAnErrorInOneLine) {
  const absl::StatusOr<relay::Fd> taken = OpenListener(kAny, false);
  ASSERT_TRUE(taken.ok());
  FrontendOptions options;
  options.listen = {{.addr = LocalAddr(taken->get())}};
  std::vector<std::string> warnings;
  const absl::Status status = OpenPublicListeners(options, warnings).status();
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr(options.listen[0].addr.ToString()));
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("--funnel_listen"));
}

TEST(PublicListenersTest, TheWildcardsOfBothFamiliesShareAPort) {
  FrontendOptions options;
  options.listen = {{.addr = *AddrPort::Parse("0.0.0.0:0")}};
  std::vector<std::string> warnings;
  auto listeners = OpenPublicListeners(options, warnings);
  ASSERT_TRUE(listeners.ok());
  const uint16_t port = (**listeners)[0].local.port;
  listeners->reset();
  AddrPort v4 = *AddrPort::Parse("0.0.0.0:0"), v6 = *AddrPort::Parse("[::]:0");
  v4.port = v6.port = port;
  options.listen = {{.addr = v6}, {.addr = v4}};
  EXPECT_TRUE(OpenPublicListeners(options, warnings).ok());
}

TEST(PublicListenersTest, TakesWhatSystemdPassesAndWarnsOfTheRest) {
  const absl::StatusOr<relay::Fd> ours = OpenListener(kAny, false);
  const absl::StatusOr<relay::Fd> strange = OpenListener(kAny, false);
  ASSERT_TRUE(ours.ok() && strange.ok());
  const relay::Fd file(open("/dev/null", O_RDONLY));
  const AddrPort our_addr = LocalAddr(ours->get());
  const std::string strange_addr = LocalAddr(strange->get()).ToString();
  EXPECT_TRUE(InChild({strange->get(), ours->get(), file.get()}, [&] {
    FrontendOptions options;
    options.listen = {{.addr = our_addr}};
    std::vector<std::string> warnings;
    const auto listeners = OpenPublicListeners(options, warnings);
    return listeners.ok() && (**listeners)[0].fd.get() == 4 && warnings.size() == 2 &&
           warnings[0].find("descriptor 5") != std::string::npos && warnings[1].find(strange_addr) != std::string::npos;
  }));
}

}  // namespace
}  // namespace ingress
