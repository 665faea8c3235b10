#include "relay/ctl/commands.h"

#include <fcntl.h>
#include <sodium.h>
#include <unistd.h>

#include <array>
#include <boost/json.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "disco/key.h"
#include "disco/server_endpoint.h"
#include "relay/client/program.h"
#include "relay/control/fd.h"
#include "relay/core/drop_reason.h"
#include "relay/ctl/metrics_fetch.h"
#include "relay/ctl/metrics_text.h"
#include "relay/ctl/sessions.h"
#include "relay/ctl/top_render.h"

namespace relay::ctl {
namespace {

namespace json = boost::json;
using client::ApiClient;
using client::Fail;
using client::kExitFailed;
using client::kExitOk;
using client::kExitUsage;

uint64_t Whole(double value) { return value > 0 ? static_cast<uint64_t>(value) : 0; }

void PrintJson(const json::value& value) { std::printf("%s\n", json::serialize(value).c_str()); }

// DPDK's ports; none with --io=socket.
json::array PortsJson(const Metrics& m) {
  json::array ports;
  for (const Sample& sample : m.Named("relayd_port_info")) {
    const auto label = [&](const char* name) {
      const auto found = sample.labels.find(name);
      return found == sample.labels.end() ? std::string() : Printable(found->second);
    };
    const std::string name = label("port");
    ports.push_back(json::object{
        {"name", name}, {"driver", label("driver")}, {"link_up", m.Sum("relayd_port_link_up", "port", name) != 0}});
  }
  return ports;
}

json::object StatusJson(bool ready, const Metrics& m) {
  json::array ports = PortsJson(m);
  return {{"ready", ready},
          {"io", ports.empty() ? "socket" : "dpdk"},
          {"ports", std::move(ports)},
          {"endpoints_connecting", Whole(m.Sum("relayd_endpoints", "state", "connecting"))},
          {"endpoints_open", Whole(m.Sum("relayd_endpoints", "state", "open"))},
          {"forwarded_packets", Whole(m.Sum("relayd_forwarded_packets_total"))},
          {"forwarded_bytes", Whole(m.Sum("relayd_forwarded_bytes_total"))},
          {"handshakes_bound", Whole(m.Sum("relayd_handshakes_total", "result", "bound"))},
          {"handshakes_rebound", Whole(m.Sum("relayd_handshakes_total", "result", "rebound"))},
          {"dropped_packets", Whole(m.Sum("relayd_dropped_packets_total"))},
          {"socket_overflow_packets", Whole(m.Sum("relayd_socket_overflow_packets_total"))}};
}

void PrintStatus(const std::string& url, const json::object& s) {
  const auto number = [&](const char* key) { return static_cast<unsigned long long>(s.at(key).as_uint64()); };
  std::printf("relayd at %s is %s\n", url.c_str(), s.at("ready").as_bool() ? "ready" : "not ready");
  std::printf("io          %s", s.at("io").as_string().c_str());
  const char* separator = ": ";
  for (const json::value& port : s.at("ports").as_array()) {
    std::printf("%s%s (%s, %s)", separator, port.at("name").as_string().c_str(), port.at("driver").as_string().c_str(),
                port.at("link_up").as_bool() ? "up" : "down");
    separator = ", ";
  }
  std::printf("\n");
  std::printf("endpoints   %llu open, %llu connecting\n", number("endpoints_open"), number("endpoints_connecting"));
  std::printf("forwarded   %llu packets, %llu bytes\n", number("forwarded_packets"), number("forwarded_bytes"));
  std::printf("handshakes  %llu bound, %llu rebound\n", number("handshakes_bound"), number("handshakes_rebound"));
  std::printf("dropped     %llu packets, and %llu that sockets overflowed with\n", number("dropped_packets"),
              number("socket_overflow_packets"));
}

struct Drop {
  std::string reason;
  uint64_t packets;
  std::string advice;
};

std::string AdviceFor(const std::string& reason) {
  for (size_t i = 0; i < kDropReasonCount; ++i) {
    const auto known = static_cast<DropReason>(i);
    if (DropReasonName(known) == reason) return std::string(DropReasonAdvice(known));
  }
  return "This relayctl does not know the reason: it is older than the relayd.";
}

// Writes `text` into a file that did not exist, for its owner's eyes alone.
absl::Status WriteNewFile(const std::string& path, const std::string& text) {
  const Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (fd.get() < 0) return absl::InternalError(absl::StrCat("cannot create ", path, ": ", std::strerror(errno)));
  if (write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) || fsync(fd.get()) != 0) {
    const std::string why = std::strerror(errno);
    unlink(path.c_str());
    return absl::InternalError(absl::StrCat("cannot write ", path, ": ", why));
  }
  return absl::OkStatus();
}

}  // namespace

int Status(const ApiClient& api, const ApiClient& metrics_api, bool as_json) {
  const auto ready = api.Get("/readyz");
  if (!ready.ok()) return Fail(ready.status());
  const absl::StatusOr<Metrics> metrics = FetchMetrics(metrics_api);
  if (!metrics.ok()) return Fail(metrics.status());
  const json::object status = StatusJson(ready->status == 200, *metrics);
  if (as_json) {
    PrintJson(status);
  } else {
    PrintStatus(api.url(), status);
  }
  if (ready->status == 200) return kExitOk;
  return Fail(kExitFailed, client::DescribeRefusal(*ready));
}

int Sessions(const ApiClient& api, bool as_json) {
  const absl::StatusOr<SessionPage> page = FetchSessions(api);
  if (!page.ok()) return Fail(page.status());
  if (!as_json) {
    std::printf("%s", SessionTableHead().c_str());
    for (const Session& session : page->sessions) std::printf("%s", SessionToRows(session).c_str());
    return kExitOk;
  }
  std::printf("{\"UDPPort\":%d,\"Sessions\":[", page->udp_port);
  const char* separator = "";
  for (const Session& session : page->sessions) {
    std::printf("%s%s", separator, SessionToJson(session).c_str());
    separator = ",";
  }
  std::printf("]}\n");
  return kExitOk;
}

int Allocate(const ApiClient& api, std::string_view key1, std::string_view key2) {
  std::array<disco::PublicKey, 2> keys;
  for (size_t i = 0; i < 2; ++i) {
    const std::string_view text = i == 0 ? key1 : key2;
    const std::optional<disco::PublicKey> key = disco::PublicKey::Parse(text);
    if (!key) return Fail(kExitUsage, absl::StrCat("\"", std::string(text), "\" is not discokey:<64 hex>"));
    keys[i] = *key;
  }
  const absl::StatusOr<disco::RelayEndpoint> endpoint = api.Allocate(keys);
  if (!endpoint.ok()) return Fail(endpoint.status());
  std::printf("%s\n", disco::ServerEndpointToJson(*endpoint).c_str());
  return kExitOk;
}

int Keygen(const std::string& file, bool as_json) {
  const disco::PrivateKey key = disco::PrivateKey::Generate();
  const std::string public_text = key.public_key().ToString();
  std::string private_text = key.ToString();
  if (file.empty() && as_json) {
    std::printf("{\"private_key\":\"%s\",\"public_key\":\"%s\"}\n", private_text.c_str(), public_text.c_str());
  } else if (file.empty()) {
    // The private key alone on stdout, so that it can be redirected; the public one is for the person in front.
    std::printf("%s\n", private_text.c_str());
    std::fprintf(stderr, "%s\n", public_text.c_str());
  } else {
    private_text += '\n';
    const absl::Status status = WriteNewFile(file, private_text);
    if (!status.ok()) return Fail(status);
    if (as_json) {
      PrintJson(json::object{{"key_file", file}, {"public_key", public_text}});
    } else {
      std::printf("%s\n", public_text.c_str());
    }
  }
  sodium_memzero(private_text.data(), private_text.size());
  return kExitOk;
}

int Pubkey(const std::string& file) {
  const absl::StatusOr<disco::PrivateKey> key = client::ReadKeyFile(file == "-" ? "/dev/stdin" : file);
  if (!key.ok()) return Fail(kExitFailed, std::string(key.status().message()));
  std::printf("%s\n", key->public_key().ToString().c_str());
  return kExitOk;
}

int Drops(const ApiClient& metrics_api, bool as_json) {
  const absl::StatusOr<Metrics> metrics = FetchMetrics(metrics_api);
  if (!metrics.ok()) return Fail(metrics.status());
  std::vector<Drop> drops;
  for (const Sample& sample : metrics->Named("relayd_dropped_packets_total")) {
    const auto label = sample.labels.find("reason");
    if (label == sample.labels.end()) continue;
    drops.push_back({.reason = label->second, .packets = Whole(sample.value), .advice = AdviceFor(label->second)});
  }
  drops.push_back({.reason = "socket_overflow",
                   .packets = Whole(metrics->Sum("relayd_socket_overflow_packets_total")),
                   .advice = "Lost before relayd read them: raise net.core.rmem_max, or run more --workers."});
  json::array array;
  for (const Drop& drop : drops) {
    if (as_json) {
      array.push_back(json::object{{"reason", drop.reason}, {"packets", drop.packets}, {"advice", drop.advice}});
    } else {
      std::printf("%12llu  %-20s  %s\n", static_cast<unsigned long long>(drop.packets), drop.reason.c_str(),
                  drop.advice.c_str());
    }
  }
  if (as_json) PrintJson(json::object{{"drops", std::move(array)}});
  return kExitOk;
}

}  // namespace relay::ctl
