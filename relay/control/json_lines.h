// JSON for configuration files: a tree that knows the line of every value, so that an error can say where.
#ifndef RELAYD_RELAY_CONTROL_JSON_LINES_H_
#define RELAYD_RELAY_CONTROL_JSON_LINES_H_

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace relay {

struct JsonMember;

struct JsonNode {
  enum class Kind : uint8_t { kNull, kBool, kInteger, kFraction, kString, kArray, kObject };
  Kind kind = Kind::kNull;
  int line = 1;
  bool boolean = false;
  int64_t integer = 0;  // Of kInteger; what does not fit is kFraction.
  std::string string;
  std::vector<JsonNode> items;      // Of kArray.
  std::vector<JsonMember> members;  // Of kObject, in the file's order; no name twice.
};

struct JsonMember {
  std::string name;
  int line;  // Of the name.
  JsonNode value;
};

enum class UnknownFields : uint8_t { kRefused, kIgnored };

// The errors of one file: `file:line: reason`.
class JsonFile {
 public:
  explicit JsonFile(std::string_view name) : name_(name) {}
  absl::Status Error(int line, std::string_view reason) const;
  // A whole document; the same name twice in one object is an error; nesting and members are bounded.
  absl::StatusOr<JsonNode> Parse(std::string_view text) const;

  struct Field {
    std::string_view name;
    bool required;
    std::function<absl::Status(const JsonNode&)> read;
  };
  // Gives each member of an object to its field; other names and a missing required one are errors. `what` names the
  // object in errors ("a token").
  absl::Status ReadObject(const JsonNode& node, std::string_view what, std::initializer_list<Field> fields,
                          UnknownFields unknown = UnknownFields::kRefused) const;
  // Gives each item of an array to `read`.
  absl::Status ReadArray(const JsonNode& node, std::string_view what,
                         const std::function<absl::Status(const JsonNode&)>& read) const;
  absl::Status ReadString(const JsonNode& node, std::string_view what, std::string& out) const;
  absl::Status ReadInteger(const JsonNode& node, std::string_view what, int64_t least, int64_t most,
                           int64_t& out) const;

 private:
  std::string name_;
};

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_JSON_LINES_H_
