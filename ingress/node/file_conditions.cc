#include "ingress/node/file_conditions.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "ingress/node/http_date.h"
#include "ingress/node/http_syntax.h"

namespace ingress {
namespace {

namespace text = relay::text;

// If-None-Match decides alone if it is there.
bool HasItAlready(const RequestHead& request, const FileVersion& file) {
  if (FindField(request.fields, "If-None-Match") != nullptr) {
    bool same = false;
    for (const auto& [name, value] : request.fields) {
      if (!text::EqualsIgnoreCase(name, "If-None-Match")) continue;
      ForEachInList(value, [&](std::string_view tag) {
        if (tag.starts_with("W/")) tag.remove_prefix(2);
        same |= tag == "*" || tag == file.etag;
      });
    }
    return same;
  }
  const std::string* const since = FindField(request.fields, "If-Modified-Since");
  const std::optional<int64_t> date = since == nullptr ? std::nullopt : ParseHttpDate(*since);
  return date && file.modified_s <= *date;
}

// A range of another version would be put together with parts of that one.
bool RangeIsOfThisVersion(const RequestHead& request, const FileVersion& file) {
  const std::string* const version = FindField(request.fields, "If-Range");
  return version == nullptr || *version == file.etag || ParseHttpDate(*version) == file.modified_s;
}

// `bytes=a-b`, `bytes=a-`, `bytes=-n`. nullopt: no single range.
std::optional<FilePart> ParseRange(std::string_view range, uint64_t file_size) {
  static constexpr std::string_view kUnit = "bytes=";
  if (!text::StartsWithIgnoreCase(range, kUnit)) return std::nullopt;
  range = text::Trim(range.substr(kUnit.size()));
  const size_t dash = range.find('-');
  if (dash == range.npos) return std::nullopt;
  const std::optional<uint64_t> first = text::ParseNumber<uint64_t>(range.substr(0, dash));
  const std::optional<uint64_t> second = text::ParseNumber<uint64_t>(range.substr(dash + 1));
  const bool open_end = dash + 1 == range.size();
  if (dash == 0) {
    if (!second) return std::nullopt;
    const uint64_t size = std::min(*second, file_size);
    return FilePart{.status = size == 0 ? 416 : 206, .begin = file_size - size, .size = size};
  }
  if (!first || (!second && !open_end) || (second && *second < *first)) return std::nullopt;
  if (*first >= file_size) return FilePart{.status = 416, .begin = 0, .size = 0};
  const uint64_t last = std::min(second.value_or(file_size - 1), file_size - 1);
  return FilePart{.status = 206, .begin = *first, .size = last - *first + 1};
}

}  // namespace

FilePart WantedPart(const RequestHead& request, const FileVersion& file) {
  if (HasItAlready(request, file)) return {.status = 304, .begin = 0, .size = 0};
  const FilePart whole{.status = 200, .begin = 0, .size = file.size};
  const std::string* const range = FindField(request.fields, "Range");
  if (range == nullptr || request.method != "GET" || !RangeIsOfThisVersion(request, file)) return whole;
  return ParseRange(*range, file.size).value_or(whole);
}

}  // namespace ingress
