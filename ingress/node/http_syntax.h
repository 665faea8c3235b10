// The small words of HTTP: tokens, field values, lists (RFC 9110 section 5.6). Strict: what two readers might take
// differently is nothing here.
#ifndef RELAYD_INGRESS_NODE_HTTP_SYNTAX_H_
#define RELAYD_INGRESS_NODE_HTTP_SYNTAX_H_

#include <algorithm>
#include <functional>
#include <optional>
#include <string_view>

#include "ingress/node/http_exchange.h"
#include "relay/control/text.h"

namespace ingress {

constexpr bool IsTokenChar(char c) {
  return relay::text::IsLetter(c) || relay::text::IsDigit(c) ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}
constexpr bool IsToken(std::string_view s) { return !s.empty() && std::all_of(s.begin(), s.end(), IsTokenChar); }

// What a field's value, and a whole head but for its line ends, is made of: no control character but HTAB.
constexpr bool IsValueChar(char c) { return c == '\t' || (static_cast<unsigned char>(c) >= ' ' && c != 0x7f); }
constexpr bool IsFieldValue(std::string_view s) { return std::all_of(s.begin(), s.end(), IsValueChar); }

// Visible ASCII. No `#`: a fragment is never sent.
constexpr bool IsTargetChar(char c) { return c > ' ' && c < 0x7f && c != '#'; }
// `/path?query` of visible ASCII, or `*`.
constexpr bool IsOriginForm(std::string_view s) {
  return s == "*" || (s.starts_with('/') && std::all_of(s.begin(), s.end(), IsTargetChar));
}

// The first field so called, in any letter case; nullptr: none.
const std::string* FindField(const HttpFields& fields, std::string_view name);
// Removes fields for whose name `matches` holds.
void RemoveFields(HttpFields& fields, const std::function<bool(std::string_view name)>& matches);
// Calls `item` with each non-empty element of a comma-separated list without quoted strings.
void ForEachInList(std::string_view list, const std::function<void(std::string_view item)>& each);
// Is `word` an element of the lists of all fields so called? Ignoring case and an element's parameters.
bool ListsHave(const HttpFields& fields, std::string_view name, std::string_view word);

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_HTTP_SYNTAX_H_
