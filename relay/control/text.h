// Small work on strings. Debian 12's abseil has a string_view of its own, so its string functions do not take ours.
#ifndef RELAYD_RELAY_CONTROL_TEXT_H_
#define RELAYD_RELAY_CONTROL_TEXT_H_

#include <algorithm>
#include <charconv>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace relay::text {

inline void Append(std::string& out, std::string_view piece) { out += piece; }
inline void Append(std::string& out, std::integral auto number) {
  char digits[24];
  out.append(digits, std::to_chars(digits, digits + sizeof(digits), number).ptr);
}

// Strings and whole numbers, one behind the other.
template <typename... Pieces>
void AppendAll(std::string& out, const Pieces&... pieces) {
  (Append(out, pieces), ...);
}
template <typename... Pieces>
std::string Cat(const Pieces&... pieces) {
  std::string out;
  AppendAll(out, pieces...);
  return out;
}

// ASCII alone, whatever the locale.
constexpr char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
constexpr bool IsDigit(char c) { return c >= '0' && c <= '9'; }
constexpr bool IsLetter(char c) { return Lower(c) >= 'a' && Lower(c) <= 'z'; }
inline std::string ToLower(std::string_view s) {
  std::string lower(s);
  std::transform(lower.begin(), lower.end(), lower.begin(), Lower);
  return lower;
}
constexpr bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return Lower(x) == Lower(y); });
}
constexpr bool StartsWithIgnoreCase(std::string_view s, std::string_view front) {
  return EqualsIgnoreCase(s.substr(0, front.size()), front);
}
constexpr std::string_view Trim(std::string_view s) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!s.empty() && blank(s.front())) s.remove_prefix(1);
  while (!s.empty() && blank(s.back())) s.remove_suffix(1);
  return s;
}

// The parts between separators: one more than there are separators, and so never none.
inline std::vector<std::string_view> Split(std::string_view s, char separator) {
  std::vector<std::string_view> parts;
  for (size_t at = s.find(separator); at != std::string_view::npos; at = s.find(separator)) {
    parts.push_back(s.substr(0, at));
    s.remove_prefix(at + 1);
  }
  parts.push_back(s);
  return parts;
}

// Digits alone: no sign, no blanks. nullopt: something else, or too large.
template <std::unsigned_integral T>
std::optional<T> ParseNumber(std::string_view digits) {
  T value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

}  // namespace relay::text

#endif  // RELAYD_RELAY_CONTROL_TEXT_H_
