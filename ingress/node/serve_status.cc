// What `funnel-node status` says of a serve config.
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <set>

#include "ingress/node/serve_config.h"
#include "relay/control/text.h"

namespace ingress {
namespace {

namespace json = boost::json;
namespace text = relay::text;

constexpr size_t kMaxShownText = 32;  // Bytes of a Text handler's.

// A wildcard above the name, or the name itself.
bool Covers(std::string_view pattern, std::string_view name) {
  if (pattern == name) return true;
  const size_t dot = name.find('.');
  return pattern.starts_with("*.") && dot != name.npos && dot > 0 && pattern.substr(1) == name.substr(dot);
}

// As IsAllowed, but a wildcard may be asked for too.
bool IsOn(const ServeConfig& config, const HostPort& name) {
  const auto own = config.allow_funnel.find(name);
  return own != config.allow_funnel.end() ? own->second : config.IsAllowed(name);
}

// Does `name`, or anything below it if it is a wildcard, lead to something?
bool LeadsSomewhere(const ServeConfig& config, const HostPort& name) {
  if (!name.host.starts_with("*.")) return config.Serves(name);
  const auto port = config.tcp.find(name.port);
  if (port == config.tcp.end()) return false;
  const TcpPort& how = port->second;
  if (how.forward) return how.terminate_tls.empty() || Covers(name.host, how.terminate_tls);
  return std::any_of(config.web.begin(), config.web.end(), [&](const auto& site) {
    return site.first.port == name.port && Covers(name.host, site.first.host);
  });
}

// Names with a site: those of Web, and those that a wildcard's site serves because AllowFunnel names them.
std::set<HostPort> SiteNames(const ServeConfig& config) {
  std::set<HostPort> names;
  for (const auto& [name, site] : config.web) names.insert(name);
  for (const auto& [name, on] : config.allow_funnel) {
    if (on && config.FindSite(name) != nullptr) names.insert(name);
  }
  return names;
}

// Names of a forward: that of TerminateTLS; else whatever AllowFunnel lets through, and `*` if that is nothing.
std::set<std::string> ForwardNames(const ServeConfig& config, uint16_t port, const TcpPort& tcp) {
  if (!tcp.terminate_tls.empty()) return {tcp.terminate_tls};
  std::set<std::string> names;
  for (const auto& [name, on] : config.allow_funnel) {
    if (on && name.port == port) names.insert(name.host);
  }
  if (names.empty()) names.insert("*");
  return names;
}

// In quotes, at most kMaxShownText bytes and no half character, without what a terminal would obey.
std::string Shown(std::string_view s) {
  size_t size = std::min(s.size(), kMaxShownText);
  while (size > 0 && size < s.size() && (static_cast<unsigned char>(s[size]) & 0xc0) == 0x80) --size;
  std::string shown(s.substr(0, size));
  std::replace_if(
      shown.begin(), shown.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  return text::Cat("\"", shown, size < s.size() ? "..." : "", "\"");
}

// A path comes from the file, and may hold anything but NUL.
std::string OneLine(std::string s) {
  std::replace_if(
      s.begin(), s.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  return s;
}

struct HandlerText {
  std::string operator()(const ProxyHandler& proxy) const { return "proxy " + proxy.backend.text; }
  std::string operator()(const TextHandler& handler) const { return "text " + Shown(handler.text); }
  std::string operator()(const PathHandler& handler) const { return "path " + OneLine(handler.path); }
  std::string operator()(const RedirectHandler& redirect) const {
    const std::string status = redirect.status == 302 ? "" : text::Cat(redirect.status, ":");
    return text::Cat("redirect ", status, redirect.target);
  }
};

struct HandlerJson {
  json::object operator()(const ProxyHandler& proxy) const { return {{"Proxy", proxy.backend.text}}; }
  json::object operator()(const TextHandler& handler) const { return {{"Text", handler.text}}; }
  json::object operator()(const PathHandler& handler) const { return {{"Path", handler.path}}; }
  json::object operator()(const RedirectHandler& redirect) const {
    return {{"Redirect", text::Cat(redirect.status, ":", redirect.target)}};
  }
};

// Without newlines.
std::vector<std::string> Warnings(const ServeConfig& config) {
  std::vector<std::string> lines;
  for (const auto& [name, on] : config.allow_funnel) {
    if (on && !LeadsSomewhere(config, name)) {
      lines.push_back(text::Cat("Warning: funnel=on for ", name.ToString(), ", but no serve config"));
    }
  }
  for (const auto& [port, tcp] : config.tcp) {
    const auto here = [p = port](const auto& site) { return site.first.port == p; };
    if (tcp.https && std::none_of(config.web.begin(), config.web.end(), here)) {
      lines.push_back(text::Cat("Warning: HTTPS on port ", port, ", but no Web entry"));
    }
  }
  std::set<std::string> terminated;
  for (const HostPort& name : SiteNames(config)) terminated.insert(name.host);
  for (const auto& [port, tcp] : config.tcp) {
    if (!tcp.terminate_tls.empty()) terminated.insert(tcp.terminate_tls);
  }
  for (const std::string& name : terminated) {
    const auto covers = [&](const CertificateFiles& files) { return Covers(files.name, name); };
    if (std::none_of(config.certificates.begin(), config.certificates.end(), covers)) {
      lines.push_back(text::Cat("Warning: no certificate for ", name));
    }
  }
  return lines;
}

const char* OnOff(bool on) { return on ? "on" : "off"; }

json::object TcpJson(const TcpPort& tcp) {
  if (tcp.https) return {{"HTTPS", true}};
  json::object out;
  if (tcp.forward) out["TCPForward"] = tcp.forward->text;
  if (!tcp.terminate_tls.empty()) out["TerminateTLS"] = tcp.terminate_tls;
  if (tcp.proxy_protocol != 0) out["ProxyProtocol"] = tcp.proxy_protocol;
  return out;
}

}  // namespace

StatusText FormatStatus(const ServeConfig& config) {
  StatusText status;
  for (const HostPort& name : SiteNames(config)) {
    const auto own = config.web.find(name);
    const WebSite& site = own != config.web.end() ? own->second : *config.FindSite(name);
    text::AppendAll(status.out, status.out.empty() ? "" : "\n", "https://",
                    name.port == 443 ? name.host : name.ToString(), " (Funnel ", OnOff(IsOn(config, name)), ")\n");
    for (const auto& [mount, handler] : site.handlers) {
      text::AppendAll(status.out, "|-- ", mount, " ", std::visit(HandlerText(), handler), "\n");
    }
  }
  for (const auto& [port, tcp] : config.tcp) {
    if (!tcp.forward) continue;
    const char* const tls = tcp.terminate_tls.empty() ? "TLS passed through" : "TLS terminated";
    for (const std::string& name : ForwardNames(config, port, tcp)) {
      text::AppendAll(status.out, status.out.empty() ? "" : "\n", "tcp://", name, ":", port, " (", tls, ", Funnel ",
                      OnOff(IsOn(config, {name, port})), ")\n|--> ", tcp.forward->text, "\n");
    }
  }
  if (status.out.empty()) status.out = "No serve config\n";
  for (const std::string& line : Warnings(config)) text::AppendAll(status.warnings, line, "\n");
  return status;
}

std::string FormatStatusJson(const ServeConfig& config) {
  json::object tcp, web, allow;
  for (const auto& [port, how] : config.tcp) tcp[std::to_string(port)] = TcpJson(how);
  for (const auto& [name, site] : config.web) {
    json::object handlers;
    for (const auto& [mount, handler] : site.handlers) handlers[mount] = std::visit(HandlerJson(), handler);
    web[name.ToString()] = {{"Handlers", std::move(handlers)}};
  }
  for (const auto& [name, on] : config.allow_funnel) allow[name.ToString()] = on;
  json::array warnings;
  for (const std::string& line : Warnings(config)) warnings.emplace_back(line);
  const json::object status = {{"TCP", std::move(tcp)},
                               {"Web", std::move(web)},
                               {"AllowFunnel", std::move(allow)},
                               {"Warnings", std::move(warnings)}};
  return json::serialize(status) + "\n";
}

}  // namespace ingress
