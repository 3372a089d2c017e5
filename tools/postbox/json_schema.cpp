#include "json_schema.hpp"

#include <klaviyo/encode.hpp>
#include <klaviyo/request.hpp>
#include <klaviyo/schemas/profile.hpp>
#include <klaviyo/schemas/profile_fields.hpp>
#include <string>

#include "samples.hpp"

namespace postbox::cli {
namespace {

constexpr const char* kDialect = "https://json-schema.org/draft/2020-12/schema";

Json object_schema(const ObjectDescription& fields);

const char* name_of(JsonType type) {
  switch (type) {
    case JsonType::kBoolean:
      return "boolean";
    case JsonType::kInteger:
      return "integer";
    case JsonType::kNumber:
      return "number";
    case JsonType::kString:
    case JsonType::kTime:
      return "string";
    case JsonType::kArray:
      return "array";
    case JsonType::kObject:
      break;
  }
  return "object";
}

void add_text(const FieldDescription& field, Json& schema) {
  if (!field.value.pattern.empty()) {
    schema["pattern"] = field.value.pattern;
    return;
  }
  if (field.rules.required) schema["minLength"] = 1;
  schema["maxLength"] = field.rules.max_length;
}

// The rules of money are in minor units, of which one is the least that is more than nothing.
void add_money(const Rules& rules, Json& schema) {
  if (rules.minimum == 0) schema["minimum"] = 0;
  if (rules.minimum > 0) schema["exclusiveMinimum"] = 0;
}

void add_integer(const Rules& rules, Json& schema) {
  schema["minimum"] = rules.minimum;
  schema["maximum"] = rules.maximum;
}

void add_array(const FieldDescription& field, Json& schema) {
  if (field.rules.required) schema["minItems"] = 1;
  schema["maxItems"] = kMaxArrayItems;
  schema["items"] = field.value.items == JsonType::kObject
                        ? object_schema(field.value.members)
                        : Json{{"type", name_of(field.value.items)}};
}

Json field_schema(const FieldDescription& field) {
  Json schema = field.value.type == JsonType::kObject ? object_schema(field.value.members)
                                                      : Json{{"type", name_of(field.value.type)}};
  schema["description"] = field.description;
  if (field.value.type == JsonType::kString) add_text(field, schema);
  if (field.value.type == JsonType::kTime) schema["format"] = "date-time";
  if (field.value.type == JsonType::kNumber) add_money(field.rules, schema);
  if (field.value.type == JsonType::kInteger) add_integer(field.rules, schema);
  if (field.value.type == JsonType::kArray) add_array(field, schema);
  return schema;
}

Json object_schema(const ObjectDescription& fields) {
  Json members = Json::object();
  Json required = Json::array();
  for (const FieldDescription& field : fields) {
    members[std::string(field.name)] = field_schema(field);
    if (field.is_always_written()) required.push_back(field.name);
  }
  Json schema = {{"type", "object"}, {"properties", std::move(members)}};
  if (!required.empty()) schema["required"] = std::move(required);
  return schema;
}

Json closed_object(Json members, Json required) {
  return {{"type", "object"},
          {"properties", std::move(members)},
          {"required", std::move(required)},
          {"additionalProperties", false}};
}

// {"data": {"type": <type>, "attributes": <attributes>}}, as JSON:API has it.
Json resource(const char* type, Json attributes) {
  return closed_object(
      {{"data", closed_object({{"type", {{"const", type}}}, {"attributes", std::move(attributes)}},
                              {"type", "attributes"})}},
      {"data"});
}

Json profile_schema() {
  Json attributes = object_schema(describe<klaviyo::Profile>());
  for (const char* identifier : {"email", "phone_number", "external_id", "anonymous_id", "_kx"}) {
    attributes["anyOf"].push_back({{"required", {identifier}}});
  }
  return resource("profile", std::move(attributes));
}

Json example_value(const FieldDescription& field);

Json example_members(const ObjectDescription& fields) {
  Json members = Json::object();
  for (const FieldDescription& field : fields)
    members[std::string(field.name)] = example_value(field);
  return members;
}

// A text that says by its name what it is.
std::string example_text(const FieldDescription& field) {
  if (!field.value.pattern.empty()) return "EUR";
  const std::string name(field.name);
  if (name.ends_with("URL")) return "https://shop.example.org/" + name;
  if (name == "email") return "ines@goldenacre.example";
  if (name == "phone_number") return "+491701234567";
  if (name == "Interval") return "month";
  return name + " 1";
}

Json example_value(const FieldDescription& field) {
  switch (field.value.type) {
    case JsonType::kBoolean:
      return false;
    case JsonType::kInteger:
      return 2;
    case JsonType::kNumber:
      return 12.5;
    case JsonType::kString:
      return example_text(field);
    case JsonType::kTime:
      return "2026-11-22T10:00:00Z";
    case JsonType::kArray:
      return Json::array({field.value.items == JsonType::kObject
                              ? example_members(field.value.members)
                              : Json(example_text(field))});
    case JsonType::kObject:
      break;
  }
  return example_members(field.value.members);
}

Json example_resource(const char* type, Json attributes) {
  return {{"data", {{"type", type}, {"attributes", std::move(attributes)}}}};
}

}  // namespace

Json schema_of(const klaviyo::EventType& type) {
  Json properties = object_schema(type.properties);
  properties["maxProperties"] = klaviyo::kMaxProperties;
  Json members = {
      {"properties", std::move(properties)},
      {"metric", resource("metric", closed_object({{"name", {{"const", type.metric}}}}, {"name"}))},
      {"time", {{"type", "string"}, {"format", "date-time"}}}};
  if (type.has_value) {
    members["value"] = {{"type", "number"}};
    members["value_currency"] = {{"type", "string"}, {"pattern", "^[A-Z]{3}$"}};
  }
  members["unique_id"] = {
      {"type", "string"}, {"minLength", 1}, {"maxLength", klaviyo::kMaxUniqueId}};
  members["backfill"] = {{"type", "boolean"}};
  members["profile"] = profile_schema();
  Json schema = {{"$schema", kDialect}, {"title", type.metric}};
  schema.update(
      closed_object(std::move(members), {"properties", "metric", "time", "unique_id", "profile"}));
  return schema;
}

Json schema_of(const std::vector<klaviyo::EventType>& types) {
  Json each = Json::array();
  for (const klaviyo::EventType& type : types) {
    each.push_back(schema_of(type));
    each.back().erase("$schema");
  }
  return {{"$schema", kDialect}, {"title", "Event"}, {"oneOf", std::move(each)}};
}

Json example_of(const klaviyo::EventType& type) {
  if (const auto sample = sample_of(type.metric)) {
    return Json::parse(klaviyo::single_body(sample->record))["data"]["attributes"];
  }
  Json event = {{"properties", example_members(type.properties)},
                {"metric", example_resource("metric", {{"name", type.metric}})},
                {"time", "2026-11-22T10:00:00Z"}};
  if (type.has_value) {
    event["value"] = 12.5;
    event["value_currency"] = "EUR";
  }
  event["unique_id"] = "1001";
  event["profile"] = example_resource("profile", example_members(describe<klaviyo::Profile>()));
  return event;
}

}  // namespace postbox::cli
