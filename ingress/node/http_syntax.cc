#include "ingress/node/http_syntax.h"

namespace ingress {

namespace text = relay::text;

const std::string* FindField(const HttpFields& fields, std::string_view name) {
  for (const auto& [field, value] : fields) {
    if (text::EqualsIgnoreCase(field, name)) return &value;
  }
  return nullptr;
}

void RemoveFields(HttpFields& fields, const std::function<bool(std::string_view name)>& matches) {
  std::erase_if(fields, [&](const auto& field) { return matches(field.first); });
}

void ForEachInList(std::string_view list, const std::function<void(std::string_view item)>& each) {
  for (const std::string_view item : text::Split(list, ',')) {
    if (const std::string_view word = text::Trim(item); !word.empty()) each(word);
  }
}

bool ListsHave(const HttpFields& fields, std::string_view name, std::string_view word) {
  bool found = false;
  for (const auto& [field, value] : fields) {
    if (!text::EqualsIgnoreCase(field, name)) continue;
    ForEachInList(value, [&](std::string_view item) {
      found |= text::EqualsIgnoreCase(text::Trim(item.substr(0, item.find(';'))), word);
    });
  }
  return found;
}

}  // namespace ingress
