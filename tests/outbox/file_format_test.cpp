// docs/file-format.md names what lies in an outbox's file.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "sqlite_outbox/format.hpp"
#include "sqlite_outbox/open.hpp"

namespace postbox {
namespace {

std::string page() {
  std::ifstream file(POSTBOX_SOURCE_DIR "/docs/file-format.md");
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<std::string> texts(sqlite::Database& database, const char* sql) {
  std::vector<std::string> all;
  sqlite::Query query(database, sql);
  while (query.step()) all.push_back(query.bytes(0));
  return all;
}

TEST(FileFormat, EveryTableAndColumnStandsInItsPage) {
  const std::string text = page();
  ASSERT_FALSE(text.empty());
  sqlite::Database database = sqlite::open_memory_store();
  const auto tables =
      texts(database, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name");
  EXPECT_GE(tables.size(), 8U);
  for (const std::string& table : tables) {
    if (table.starts_with("sqlite_")) continue;
    EXPECT_NE(text.find("**" + table + "**"), std::string::npos) << table;
  }
  const auto columns =
      texts(database,
            "SELECT DISTINCT c.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c"
            " WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'");
  EXPECT_GE(columns.size(), 30U);
  for (const std::string& column : columns) {
    EXPECT_NE(text.find("`" + column + "`"), std::string::npos) << column;
  }
}

TEST(FileFormat, ItsNumbersStandInItsPage) {
  const std::string text = page();
  static_assert(sqlite::kApplicationId == 0x50426f78);
  EXPECT_NE(text.find("`application_id` is 0x50426f78"), std::string::npos);
  EXPECT_NE(text.find("`user_version` the format: " + std::to_string(sqlite::kSchemaVersion)),
            std::string::npos);
}

}  // namespace
}  // namespace postbox
