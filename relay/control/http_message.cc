#include "relay/control/http_message.h"

#include <algorithm>

#include "relay/control/text.h"

namespace relay {

namespace {
constexpr int kNoContent = 204;
}  // namespace

const std::string_view* HttpRequest::Find(std::string_view name) const {
  for (const Field& field : fields) {
    if (text::EqualsIgnoreCase(field.name, name)) return &field.value;
  }
  return nullptr;
}

size_t HttpRequest::Count(std::string_view name) const {
  const auto same = [name](const Field& field) { return text::EqualsIgnoreCase(field.name, name); };
  return static_cast<size_t>(std::count_if(fields.begin(), fields.end(), same));
}

std::string_view ReasonPhrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 409:
      return "Conflict";
    case 413:
      return "Payload Too Large";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    default:
      return "Error";
  }
}

void WriteResponse(const HttpResponse& response, const ResponseFraming& framing, std::string& out) {
  out.clear();
  text::AppendAll(out, "HTTP/1.1 ", response.status, " ", ReasonPhrase(response.status), "\r\n");
  if (response.status != kNoContent) {  // Whose answer ends with its head (RFC 9112 section 6.3).
    text::AppendAll(out, "Content-Type: ", response.content_type, "\r\nContent-Length: ", response.body.size(), "\r\n");
  }
  if (response.status >= 400) out += "X-Content-Type-Options: nosniff\r\n";
  if (!response.allow.empty()) text::AppendAll(out, "Allow: ", response.allow, "\r\n");
  if (response.retry_after) out += "Retry-After: 3\r\n";
  if (framing.close) {
    out += "Connection: close\r\n";
  } else if (framing.say_keep_alive) {
    out += "Connection: keep-alive\r\n";
  }
  out += "\r\n";
  if (!framing.head_only && response.status != kNoContent) out += response.body;
}

}  // namespace relay
