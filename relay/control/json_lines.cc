#include "relay/control/json_lines.h"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <limits>
#include <utility>

#include "relay/control/text.h"

namespace relay {
namespace {

using boost::json::error_code;
using boost::json::string_view;
using Kind = JsonNode::Kind;

// Builds the tree from the parser's events. `line` is moved on by the caller, which feeds one line at a time: no token
// of JSON spans two lines.
class TreeBuilder {
 public:
  static constexpr size_t max_object_size = std::numeric_limits<size_t>::max();
  static constexpr size_t max_array_size = std::numeric_limits<size_t>::max();
  static constexpr size_t max_key_size = std::numeric_limits<size_t>::max();
  static constexpr size_t max_string_size = std::numeric_limits<size_t>::max();

  size_t max_members = 0;
  int line = 1;
  std::string error;  // Why an event was refused.
  JsonNode root;

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_array_begin(error_code&) { return Open(Kind::kArray); }
  bool on_array_end(size_t, error_code&) { return Close(); }
  bool on_object_begin(error_code&) { return Open(Kind::kObject); }
  bool on_object_end(size_t, error_code&) { return Close(); }
  bool on_string_part(string_view part, size_t, error_code&) { return Append(part); }
  bool on_string(string_view part, size_t, error_code&) {
    Append(part);
    Add(Kind::kString).string = std::exchange(text_, {});
    return true;
  }
  bool on_key_part(string_view part, size_t, error_code&) { return Append(part); }
  bool on_key(string_view part, size_t, error_code& ec) {
    Append(part);
    auto& members = open_.back()->members;
    if (members.size() == max_members) {
      error = text::Cat("an object has more than ", max_members, " members");
      ec = boost::json::error::syntax;
      return false;
    }
    const auto same = [this](const JsonMember& m) { return m.name == text_; };
    if (std::any_of(members.begin(), members.end(), same)) {
      error = text::Cat("\"", text_, "\" stands here twice");
      ec = boost::json::error::syntax;
      return false;
    }
    members.push_back({std::exchange(text_, {}), line, {}});
    return true;
  }
  bool on_number_part(string_view, error_code&) { return true; }
  bool on_int64(int64_t value, string_view, error_code&) {
    Add(Kind::kInteger).integer = value;
    return true;
  }
  bool on_uint64(uint64_t, string_view, error_code&) { return Add(Kind::kFraction).kind == Kind::kFraction; }
  bool on_double(double, string_view, error_code&) { return Add(Kind::kFraction).kind == Kind::kFraction; }
  bool on_bool(bool value, error_code&) {
    Add(Kind::kBool).boolean = value;
    return true;
  }
  bool on_null(error_code&) { return Add(Kind::kNull).kind == Kind::kNull; }
  bool on_comment_part(string_view, error_code&) { return true; }
  bool on_comment(string_view, error_code&) { return true; }

 private:
  bool Append(string_view part) {
    text_.append(part.data(), part.size());
    return true;
  }
  JsonNode& Add(Kind kind) {
    JsonNode* node = &root;
    if (!open_.empty() && open_.back()->kind == Kind::kArray) node = &open_.back()->items.emplace_back();
    if (!open_.empty() && open_.back()->kind == Kind::kObject) node = &open_.back()->members.back().value;
    node->kind = kind;
    node->line = line;
    return *node;
  }
  // Only the innermost open container grows, so pointers to the outer ones stay good.
  bool Open(Kind kind) {
    open_.push_back(&Add(kind));
    return true;
  }
  bool Close() {
    open_.pop_back();
    return true;
  }

  std::string text_;
  std::vector<JsonNode*> open_;
};

}  // namespace

absl::Status JsonFile::Error(int line, std::string_view reason) const {
  std::string error = text::Cat(name_, ":", line, ": ", reason);
  // A reason may quote the file: one line it stays, and no terminal obeys it.
  std::replace_if(
      error.begin(), error.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  return absl::InvalidArgumentError(error);
}

absl::StatusOr<JsonNode> JsonFile::Parse(std::string_view text) const {
  boost::json::basic_parser<TreeBuilder> parser{boost::json::parse_options()};
  TreeBuilder& builder = parser.handler();
  builder.max_members = max_members_;
  error_code ec;
  while (!ec && !text.empty()) {
    const size_t length = std::min(text.find('\n'), text.size() - 1) + 1;
    const size_t taken = parser.write_some(true, text.data(), length, ec);
    if (!ec && taken < length) ec = boost::json::error::extra_data;
    if (ec) break;
    if (text[length - 1] == '\n') ++builder.line;
    text.remove_prefix(length);
  }
  if (!ec) parser.write_some(false, "", 0, ec);
  if (!builder.error.empty()) return Error(builder.line, builder.error);
  if (ec) return Error(builder.line, text::Cat("not JSON: ", ec.message()));
  return std::move(builder.root);
}

absl::Status JsonFile::ReadObject(const JsonNode& node, std::string_view what, std::initializer_list<Field> fields,
                                  UnknownFields unknown) const {
  if (node.kind != Kind::kObject) return Error(node.line, text::Cat(what, " is not an object"));
  for (const JsonMember& member : node.members) {
    const auto* const field =
        std::find_if(fields.begin(), fields.end(), [&](const Field& f) { return f.name == member.name; });
    if (field == fields.end()) {
      if (unknown == UnknownFields::kIgnored) continue;
      return Error(member.line, text::Cat("unknown field \"", member.name, "\" in ", what));
    }
    if (absl::Status status = field->read(member.value); !status.ok()) return status;
  }
  for (const Field& field : fields) {
    const auto is_field = [&](const JsonMember& m) { return m.name == field.name; };
    if (field.required && std::none_of(node.members.begin(), node.members.end(), is_field)) {
      return Error(node.line, text::Cat(what, " has no \"", field.name, "\""));
    }
  }
  return absl::OkStatus();
}

absl::Status JsonFile::ReadArray(const JsonNode& node, std::string_view what,
                                 const std::function<absl::Status(const JsonNode&)>& read) const {
  if (node.kind != Kind::kArray) return Error(node.line, text::Cat(what, " is not a list"));
  for (const JsonNode& item : node.items) {
    if (absl::Status status = read(item); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status JsonFile::ReadString(const JsonNode& node, std::string_view what, std::string& out) const {
  if (node.kind != Kind::kString) return Error(node.line, text::Cat(what, " is not a string"));
  out = node.string;
  return absl::OkStatus();
}

absl::Status JsonFile::ReadInteger(const JsonNode& node, std::string_view what, int64_t least, int64_t most,
                                   int64_t& out) const {
  if (node.kind != Kind::kInteger || node.integer < least || node.integer > most) {
    return Error(node.line, text::Cat(what, " is not a whole number of ", least, " to ", most));
  }
  out = node.integer;
  return absl::OkStatus();
}

}  // namespace relay
