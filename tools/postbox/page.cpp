#include "page.hpp"

#include <limits>
#include <string_view>

#include "json_schema.hpp"
#include "samples.hpp"

namespace postbox::cli {
namespace {

constexpr const char* kGenerated = "<!-- Written by `postbox schema --pages`; do not edit. -->\n\n";

std::string_view name_of(JsonType type) {
  switch (type) {
    case JsonType::kBoolean:
      return "bool";
    case JsonType::kInteger:
      return "integer";
    case JsonType::kNumber:
      return "amount";
    case JsonType::kString:
      return "text";
    case JsonType::kTime:
      return "time";
    case JsonType::kArray:
      return "list";
    case JsonType::kObject:
      break;
  }
  return "object";
}

std::string rules_of(const FieldDescription& field) {
  std::string text;
  const auto add = [&](const std::string& rule) { text += (text.empty() ? "" : ", ") + rule; };
  const Rules& rules = field.rules;
  const bool is_money = field.value.type == JsonType::kNumber;
  if (rules.derived) add("computed");
  if (rules.required) add("required");
  if (!rules.required && field.is_always_written()) add("always sent");
  if (rules.minimum != std::numeric_limits<std::int64_t>::min()) {
    add("at least " + std::to_string(rules.minimum) + (is_money ? " minor units" : ""));
  }
  if (rules.maximum != std::numeric_limits<std::int64_t>::max()) {
    add("at most " + std::to_string(rules.maximum));
  }
  if (field.value.type == JsonType::kString && rules.max_length < kMaxStringBytes) {
    add("at most " + std::to_string(rules.max_length) + " characters");
  }
  if (!field.value.pattern.empty()) add("ISO 4217");
  return text;
}

void add_rows(const ObjectDescription& fields, const std::string& above, std::string& page) {
  for (const FieldDescription& field : fields) {
    const std::string name = above + std::string(field.name);
    const bool is_list = field.value.type == JsonType::kArray;
    page += "| `" + name + "` | `" + std::string(field.path) + "` | " +
            std::string(name_of(field.value.type));
    if (is_list) page += " of " + std::string(name_of(field.value.items)) + "s";
    page += " | " + rules_of(field) + " | " + std::string(field.description) + " |\n";
    add_rows(field.value.members, name + (is_list ? "[]." : "."), page);
  }
}

}  // namespace

std::string file_of(const klaviyo::EventType& type) {
  std::string name;
  for (const char c : type.metric) {
    name += c == ' ' ? '-' : c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return name + ".md";
}

std::string page_of(const klaviyo::EventType& type) {
  std::string page = kGenerated;
  page += "# " + std::string(type.metric) + "\n\n";
  page += "Flag: `" + std::string(type.family->variable) + "`. In log lines: `" +
          std::string(type.log_name) + "`. ";
  page += type.has_value ? "Has a value.\n" : "Has no value.\n";
  if (const auto sample = sample_of(type.metric)) {
    page += "Made by `" + std::string(sample->call) + "`.\n";
  }
  page += "\n| property | set by | type | rules | meaning |\n|---|---|---|---|---|\n";
  add_rows(type.properties, "", page);
  page +=
      "\nBeside these an event has its time, a `unique_id`, the customer's profile and up to 400 "
      "properties\nin all. A text has at most " +
      std::to_string(kMaxStringBytes) + " bytes and a list at most " +
      std::to_string(kMaxArrayItems) + " items; what is empty is not sent.\n";
  page += "\n## Example\n\n```json\n" + example_of(type).dump(2) + "\n```\n";
  return page;
}

std::string index_of(const std::vector<klaviyo::EventType>& types) {
  std::string page = kGenerated;
  page += "# Events\n\n| event | family | flag |\n|---|---|---|\n";
  for (const klaviyo::EventType& type : types) {
    page += "| [" + std::string(type.metric) + "](" + file_of(type) + ") | " +
            std::string(type.family->name) + " | `" + std::string(type.family->variable) + "` |\n";
  }
  return page;
}

}  // namespace postbox::cli
