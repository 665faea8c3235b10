#include "relay/control/json_lines.h"

#include <gtest/gtest.h>

namespace relay {
namespace {

std::string ErrorOf(std::string_view text) {
  const auto parsed = JsonFile("f.json").Parse(text);
  return parsed.ok() ? "" : std::string(parsed.status().message());
}

TEST(JsonLinesTest, EveryValueKnowsItsLine) {
  const auto root =
      JsonFile("f").Parse("{\n  \"a\": 1,\r\n\n  \"b\": [true,\n \"x\\u00e9\"], \"c\": null,\n\"d\":{\"e\":1.5}}\n\n");
  ASSERT_TRUE(root.ok()) << root.status();
  ASSERT_EQ(root->members.size(), 4u);
  EXPECT_EQ(root->members[0].value.integer, 1);
  EXPECT_EQ(root->members[0].value.line, 2);
  EXPECT_EQ(root->members[1].line, 4);
  EXPECT_EQ(root->members[1].value.items[0].boolean, true);
  EXPECT_EQ(root->members[1].value.items[0].line, 4);
  EXPECT_EQ(root->members[1].value.items[1].string, "x\xc3\xa9");
  EXPECT_EQ(root->members[1].value.items[1].line, 5);
  EXPECT_EQ(root->members[2].value.kind, JsonNode::Kind::kNull);
  EXPECT_EQ(root->members[3].value.members[0].value.kind, JsonNode::Kind::kFraction);
  EXPECT_EQ(root->members[3].value.members[0].line, 6);
}

TEST(JsonLinesTest, AnErrorSaysFileAndLine) {
  EXPECT_TRUE(ErrorOf("").starts_with("f.json:1: not JSON: ")) << ErrorOf("");
  EXPECT_TRUE(ErrorOf("{\n\n  \"a\": tru\n}").starts_with("f.json:3: not JSON: "));
  EXPECT_TRUE(ErrorOf("{}\n{}").starts_with("f.json:2: not JSON: "));
  EXPECT_TRUE(ErrorOf("{\"a\": \"two\nlines\"}").starts_with("f.json:1: not JSON: "));
  EXPECT_EQ(ErrorOf("{\"a\":1,\n\"b\":2,\n\"a\":3}"), "f.json:3: \"a\" stands here twice");
  EXPECT_EQ(ErrorOf("{\"a\\n\\u001b\":1,\"a\\n\\u001b\":2}"), "f.json:1: \"a??\" stands here twice");
  std::string crowd = "{\"m0\":0";
  for (int i = 1; i < 32; ++i) crowd += ",\n\"m" + std::to_string(i) + "\":0";
  EXPECT_EQ(ErrorOf(crowd + "}"), "");
  EXPECT_EQ(ErrorOf(crowd + ",\"one more\":0}"), "f.json:32: an object has more than 32 members");
  EXPECT_TRUE(JsonFile("f.json", 33).Parse(crowd + ",\"one more\":0}").ok());
  EXPECT_NE(ErrorOf(std::string(1000, '[')), "");
  EXPECT_EQ(ErrorOf("18446744073709551615"), "");
}

TEST(JsonLinesTest, ReadersRefuseOtherKinds) {
  const JsonFile file("f");
  const JsonNode list = *file.Parse("\n[1, 2.5, \"x\"]");
  std::string text;
  int64_t number = 0;
  EXPECT_EQ(file.ReadString(list.items[0], "a name", text).message(), "f:2: a name is not a string");
  EXPECT_EQ(file.ReadInteger(list.items[1], "a port", 1, 9, number).message(),
            "f:2: a port is not a whole number of 1 to 9");
  EXPECT_TRUE(file.ReadInteger(list.items[0], "a port", 1, 9, number).ok());
  EXPECT_EQ(number, 1);
  EXPECT_EQ(file.ReadObject(list, "a peer", {}).message(), "f:2: a peer is not an object");
  EXPECT_EQ(file.ReadArray(list.items[2], "\"ports\"", nullptr).message(), "f:2: \"ports\" is not a list");
}

}  // namespace
}  // namespace relay
