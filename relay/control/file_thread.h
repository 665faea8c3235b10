// Reads files for the control thread. A network file system may take for ever, and the process's end does not wait.
#ifndef RELAYD_RELAY_CONTROL_FILE_THREAD_H_
#define RELAYD_RELAY_CONTROL_FILE_THREAD_H_

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <thread>

#include "relay/core/time.h"

namespace relay {

class FileThread {
 public:
  // What is to be done on `io` when the work is done.
  using Done = std::function<void()>;

  explicit FileThread(boost::asio::io_context& io);
  // Waits half a second for work under way. What has not ended by then is left behind, and its Done is never called.
  ~FileThread();

  // Runs `work` behind what was posted before. It may outlive everything else, so it owns all it uses.
  void Post(std::function<Done()> work);

 private:
  struct Shared;
  static void Serve(Shared& shared);

  std::shared_ptr<Shared> shared_;  // With the thread.
  std::thread thread_;
};

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_FILE_THREAD_H_
