// The configuration file as text: fields, forms, and what may not stand beside each other.
#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <set>
#include <utility>

#include "ingress/node/backend.h"
#include "ingress/node/serve_config.h"
#include "relay/control/json_lines.h"
#include "relay/control/text.h"

namespace ingress {
namespace {

namespace text = relay::text;
using relay::JsonFile;
using relay::JsonMember;
using relay::JsonNode;
using Kind = JsonNode::Kind;

// Of TCP, Web, AllowFunnel and Handlers: more names than a node serves by a file.
constexpr size_t kMaxEntries = 1024;

std::string Reason(const absl::Status& status) { return std::string(status.message()); }

class Reader {
 public:
  Reader(std::string_view file, const std::vector<AddrPort>& own)
      : file_(file, kMaxEntries), folder_(std::filesystem::path(file).parent_path()), own_(own) {}

  absl::StatusOr<ServeConfig> Read(std::string_view text) {
    const absl::StatusOr<JsonNode> root = file_.Parse(text);
    if (!root.ok()) return root.status();
    if (absl::Status bad = ReadRoot(*root); !bad.ok()) return bad;
    if (absl::Status bad = CheckWeb(); !bad.ok()) return bad;
    if (absl::Status bad = CheckBackends(); !bad.ok()) return bad;
    return std::move(config_);
  }

 private:
  using Field = JsonFile::Field;
  using ReadMember = std::function<absl::Status(const JsonMember&)>;

  // What stands in other programs' serve configs, and here would be passed over in silence.
  Field NotServed(std::string_view name) const {
    return {name, false, [this, name](const JsonNode& node) {
              return file_.Error(node.line, text::Cat("\"", name, "\" is not served"));
            }};
  }
  Field List(std::string_view name, const std::function<absl::Status(const JsonNode&)>& read) const {
    return {name, false, [this, name, read](const JsonNode& node) {
              return file_.ReadArray(node, text::Cat("\"", name, "\""), read);
            }};
  }
  // An object whose members' names are not fields but keys.
  Field Table(std::string_view name, const ReadMember& read) const {
    return {name, true, [this, name, read](const JsonNode& node) {
              if (node.kind != Kind::kObject)
                return file_.Error(node.line, text::Cat("\"", name, "\" is not an object"));
              for (const JsonMember& member : node.members) {
                if (absl::Status bad = read(member); !bad.ok()) return bad;
              }
              return absl::OkStatus();
            }};
  }
  static Field Optional(Field field) {
    field.required = false;
    return field;
  }
  Field Bool(std::string_view name, bool& out) const {
    return {name, false, [this, name, &out](const JsonNode& node) {
              if (node.kind != Kind::kBool)
                return file_.Error(node.line, text::Cat("\"", name, "\" is not true or false"));
              out = node.boolean;
              return absl::OkStatus();
            }};
  }
  Field String(std::string_view name, bool required, const std::function<absl::Status(const JsonNode&)>& read) const {
    return {name, required, [this, name, read](const JsonNode& node) {
              if (node.kind != Kind::kString)
                return file_.Error(node.line, text::Cat("\"", name, "\" is not a string"));
              return read(node);
            }};
  }

  absl::Status ReadRoot(const JsonNode& root) {
    const auto read_peers = [this](const JsonNode& node) {
      absl::StatusOr<relay::Policy> peers = relay::Policy::FromPeers(file_, node);
      if (!peers.ok()) return peers.status();
      config_.peers = *std::move(peers);
      return absl::OkStatus();
    };
    const auto read_acme = [this](const JsonNode& node) {
      const absl::StatusOr<Backend> backend = ParseForwardTarget(node.string);
      if (!backend.ok()) return file_.Error(node.line, Reason(backend.status()));
      Note(node, *backend);
      config_.acme_tls = backend->addr;
      return absl::OkStatus();
    };
    return file_.ReadObject(
        root, "the serve config",
        {Optional(Table("TCP", [this](const JsonMember& member) { return ReadTcp(member); })),
         Optional(Table("Web", [this](const JsonMember& member) { return ReadWeb(member); })),
         Optional(Table("AllowFunnel", [this](const JsonMember& member) { return ReadAllow(member); })),
         List("Listen", [this](const JsonNode& node) { return ReadListen(node); }),
         {"Peers", false, read_peers},
         List("Certificates", [this](const JsonNode& node) { return ReadCertificate(node); }),
         String("AcmeTLS", false, read_acme),
         Bool("AllowRemoteBackends", config_.any_backend),
         NotServed("Foreground"),
         NotServed("Services"),
         NotServed("services"),
         NotServed("Tun"),
         NotServed("ETag"),
         NotServed("Version"),
         NotServed("version")});
  }

  absl::Status ReadTcp(const JsonMember& member) {
    const uint16_t port = text::ParseNumber<uint16_t>(member.name).value_or(0);
    if (port == 0) return file_.Error(member.line, text::Cat("\"", member.name, "\" is not a port"));
    const auto [place, is_new] = config_.tcp.try_emplace(port);
    if (!is_new) return file_.Error(member.line, text::Cat("port ", port, " stands here twice"));
    TcpPort& out = place->second;
    const auto read_forward = [this, &out](const JsonNode& node) {
      const absl::StatusOr<Backend> backend = ParseForwardTarget(node.string);
      if (!backend.ok()) return file_.Error(node.line, Reason(backend.status()));
      Note(node, *backend);
      out.forward = *backend;
      return absl::OkStatus();
    };
    const auto read_name = [this, &out](const JsonNode& node) {
      const std::optional<std::string> name = relay::CanonicalRouteName(node.string);
      if (!name || name->starts_with('*')) return NotAName(node);
      out.terminate_tls = *name;
      return absl::OkStatus();
    };
    const auto read_proxy_protocol = [this, &out](const JsonNode& node) {
      int64_t version = 0;
      const absl::Status status = file_.ReadInteger(node, "\"ProxyProtocol\"", 1, 2, version);
      out.proxy_protocol = static_cast<int>(version);
      return status;
    };
    const absl::Status status = file_.ReadObject(member.value, text::Cat("port ", port),
                                                 {Bool("HTTPS", out.https),
                                                  String("TCPForward", false, read_forward),
                                                  String("TerminateTLS", false, read_name),
                                                  {"ProxyProtocol", false, read_proxy_protocol},
                                                  NotServed("HTTP")});
    return status.ok() ? CheckTcp(member.line, port, out) : status;
  }

  absl::Status CheckTcp(int line, uint16_t port, const TcpPort& tcp) const {
    if (!tcp.forward && !tcp.terminate_tls.empty()) {
      return file_.Error(line, text::Cat("port ", port, " has \"TerminateTLS\" without \"TCPForward\""));
    }
    if (!tcp.forward && tcp.proxy_protocol != 0) {
      return file_.Error(line, text::Cat("port ", port, " has \"ProxyProtocol\" without \"TCPForward\""));
    }
    if (tcp.https == tcp.forward.has_value()) {
      return file_.Error(line, text::Cat("port ", port, " has ", tcp.https ? "both" : "neither", " \"HTTPS\" ",
                                         tcp.https ? "and" : "nor", " \"TCPForward\""));
    }
    return absl::OkStatus();
  }

  absl::Status ReadWeb(const JsonMember& member) {
    const std::optional<HostPort> name = HostPort::Parse(member.name);
    if (!name) return NotAHostPort(member);
    const auto [place, is_new] = config_.web.try_emplace(*name);
    if (!is_new) return file_.Error(member.line, text::Cat(name->ToString(), " stands here twice"));
    WebSite& site = place->second;
    web_lines_.emplace_back(*name, member.line);
    const absl::Status status = file_.ReadObject(
        member.value, name->ToString(),
        {Table("Handlers", [this, &site](const JsonMember& handler) { return ReadHandler(handler, site); })});
    if (!status.ok()) return status;
    return site.handlers.empty() ? file_.Error(member.line, text::Cat(name->ToString(), " has no handler"))
                                 : absl::OkStatus();
  }

  absl::Status ReadHandler(const JsonMember& member, WebSite& site) {
    if (!IsMount(member.name)) {
      return file_.Error(member.line, text::Cat("\"", member.name,
                                                "\" is not a mount (a path such as /api, without "
                                                "query, %, empty and dot segments)"));
    }
    std::string mount = member.name;
    if (mount.size() > 1 && mount.ends_with('/')) mount.pop_back();
    int kinds = 0;
    HandlerConfig handler;
    const std::string what = text::Cat("mount ", mount);
    const absl::Status status = file_.ReadObject(
        member.value, what,
        {OneOf("Proxy", kinds, [&](const JsonNode& node) { return ReadProxy(node, handler); }),
         OneOf("Text", kinds,
               [&](const JsonNode& node) {
                 handler = TextHandler{node.string};
                 return absl::OkStatus();
               }),
         OneOf("Path", kinds,
               [&](const JsonNode& node) { return ReadPath(node, handler.emplace<PathHandler>().path); }),
         OneOf("Redirect", kinds, [&](const JsonNode& node) { return ReadRedirect(node, handler); }),
         NotServed("AcceptAppCaps")});
    if (!status.ok()) return status;
    if (kinds != 1) {
      return file_.Error(member.line, text::Cat(what, " has ", kinds, " of Proxy, Text, Path and Redirect, not one"));
    }
    return site.handlers.emplace(mount, std::move(handler)).second
               ? absl::OkStatus()
               : file_.Error(member.line, text::Cat(what, " stands here twice"));
  }

  // One of a handler's alternatives.
  Field OneOf(std::string_view name, int& kinds, const std::function<absl::Status(const JsonNode&)>& read) const {
    return String(name, false, [&kinds, read](const JsonNode& node) {
      ++kinds;
      return read(node);
    });
  }

  static bool IsMount(std::string_view mount) {
    if (!mount.starts_with('/')) return false;
    const auto odd = [](unsigned char c) {
      return c <= ' ' || c == 0x7f || c == '?' || c == '#' || c == '%' || c == '\\';
    };
    if (std::any_of(mount.begin(), mount.end(), odd)) return false;
    mount.remove_prefix(1);
    if (mount.empty()) return true;
    if (mount.ends_with('/')) mount.remove_suffix(1);
    const std::vector<std::string_view> segments = text::Split(mount, '/');
    return std::none_of(segments.begin(), segments.end(),
                        [](std::string_view s) { return s.empty() || s == "." || s == ".."; });
  }

  absl::Status ReadProxy(const JsonNode& node, HandlerConfig& out) {
    absl::StatusOr<Backend> backend = ParseProxyTarget(node.string);
    if (!backend.ok()) return file_.Error(node.line, Reason(backend.status()));
    Note(node, *backend);
    out = ProxyHandler{*std::move(backend)};
    return absl::OkStatus();
  }

  absl::Status ReadRedirect(const JsonNode& node, HandlerConfig& out) const {
    absl::StatusOr<RedirectHandler> redirect = ParseRedirect(node.string);
    if (!redirect.ok()) return file_.Error(node.line, Reason(redirect.status()));
    out = *std::move(redirect);
    return absl::OkStatus();
  }

  absl::Status ReadPath(const JsonNode& node, std::string& out) const {
    if (node.string.empty() || node.string.find('\0') != std::string::npos) {
      return file_.Error(node.line, text::Cat("\"", node.string, "\" is not a path"));
    }
    out = (folder_ / node.string).string();  // An absolute one stays as it is.
    return absl::OkStatus();
  }

  absl::Status ReadAllow(const JsonMember& member) {
    const std::optional<HostPort> name = HostPort::Parse(member.name);
    if (!name) return NotAHostPort(member);
    const auto [place, is_new] = config_.allow_funnel.try_emplace(*name);
    if (!is_new) return file_.Error(member.line, text::Cat(name->ToString(), " stands here twice"));
    return Bool(member.name, place->second).read(member.value);
  }

  absl::Status ReadListen(const JsonNode& node) {
    std::string text;
    if (absl::Status bad = file_.ReadString(node, "an address of \"Listen\"", text); !bad.ok()) return bad;
    const std::optional<AddrPort> addr = AddrPort::Parse(text);
    if (!addr || addr->port == 0 || addr->IsMulticast() || addr->IsBroadcast()) {
      return file_.Error(node.line, text::Cat("\"", text, "\" is not an ip:port to listen on"));
    }
    const auto& listen = config_.listen;
    if (std::find(listen.begin(), listen.end(), *addr) != listen.end()) {
      return file_.Error(node.line, text::Cat(text, " stands here twice"));
    }
    config_.listen.push_back(*addr);
    return absl::OkStatus();
  }

  absl::Status ReadCertificate(const JsonNode& node) {
    CertificateFiles out;
    const auto read_name = [this, &out](const JsonNode& value) {
      const std::optional<std::string> name = relay::CanonicalRouteName(value.string);
      if (!name) return NotAName(value);
      out.name = *name;
      return absl::OkStatus();
    };
    const absl::Status status = file_.ReadObject(
        node, "a certificate",
        {String("Name", true, read_name),
         String("Cert", true, [this, &out](const JsonNode& value) { return ReadPath(value, out.cert); }),
         String("Key", true, [this, &out](const JsonNode& value) { return ReadPath(value, out.key); })});
    if (!status.ok()) return status;
    if (!certificate_names_.insert(out.name).second) {
      return file_.Error(node.line, text::Cat("certificate \"", out.name, "\" stands here twice"));
    }
    config_.certificates.push_back(std::move(out));
    return absl::OkStatus();
  }

  // For when the whole file is read: TCP and AllowRemoteBackends may stand behind.
  void Note(const JsonNode& node, const Backend& backend) {
    backends_.push_back({node.line, backend.addr, node.string});
  }

  absl::Status CheckWeb() const {
    for (const auto& [name, line] : web_lines_) {
      const auto port = config_.tcp.find(name.port);
      if (port == config_.tcp.end() || !port->second.https) {
        return file_.Error(
            line, text::Cat(name.ToString(), " is in \"Web\", but \"TCP\" has no \"HTTPS\" on port ", name.port));
      }
    }
    return absl::OkStatus();
  }

  absl::Status CheckBackends() const {
    std::vector<AddrPort> own = config_.listen;
    own.insert(own.end(), own_.begin(), own_.end());
    for (const NotedBackend& backend : backends_) {
      if (!config_.any_backend && !backend.addr.IsLoopback()) {
        return file_.Error(
            backend.line,
            text::Cat("\"", backend.text, "\" is not on loopback; \"AllowRemoteBackends\": true would allow it"));
      }
      for (const AddrPort& listener : own) {
        const bool same = backend.addr.port == listener.port &&
                          (backend.addr.ip == listener.ip || (listener.IsUnspecified() && IsOwnAddress(backend.addr)));
        if (same) {
          return file_.Error(backend.line, text::Cat("\"", backend.text, "\" is ", listener.ToString(),
                                                     ", a listener of funnel-node or relayd itself"));
        }
      }
    }
    return absl::OkStatus();
  }

  absl::Status NotAName(const JsonNode& node) const {
    return file_.Error(node.line, text::Cat("\"", node.string, "\" is not a host name"));
  }
  absl::Status NotAHostPort(const JsonMember& member) const {
    return file_.Error(member.line,
                       text::Cat("\"", member.name, "\" is not a host name and a port (node.example:443)"));
  }

  struct NotedBackend {
    int line;
    AddrPort addr;
    std::string text;
  };

  JsonFile file_;
  std::filesystem::path folder_;
  const std::vector<AddrPort>& own_;
  ServeConfig config_;
  std::vector<std::pair<HostPort, int>> web_lines_;
  std::vector<NotedBackend> backends_;
  std::set<std::string> certificate_names_;
};

}  // namespace

absl::StatusOr<ServeConfig> ServeConfig::Parse(std::string_view text, std::string_view file,
                                               const std::vector<AddrPort>& own) {
  return Reader(file, own).Read(text);
}

}  // namespace ingress
