#include <limits>
#include <nlohmann/json.hpp>
#include <postbox/json_text.hpp>
#include <stripe/body.hpp>

namespace stripe {
namespace {

using Value = nlohmann::json;

const Value& null_value() {
  static const Value null;
  return null;
}

const Value& value_of(const void* json) {
  return json == nullptr ? null_value() : *static_cast<const Value*>(json);
}

// The message names the type that was found, never the value.
[[noreturn]] void refuse(const void* json, std::string_view path, std::string_view wanted) {
  const std::string found = json == nullptr ? "nothing" : value_of(json).type_name();
  throw BadBody(path, std::string(wanted) + ", found " + found);
}

}  // namespace

bool Node::is_absent() const noexcept { return value_of(json_).is_null(); }

bool Node::is_object() const noexcept { return value_of(json_).is_object(); }

Node Node::operator[](std::string_view name) const noexcept {
  const Value& value = value_of(json_);
  if (!value.is_object()) return {};
  const auto found = value.find(name);
  return found == value.end() ? Node() : Node(&*found);
}

bool Node::has(std::string_view name) const noexcept {
  const Value& value = value_of(json_);
  return value.is_object() && value.find(name) != value.end();
}

std::size_t Node::size() const noexcept {
  const Value& value = value_of(json_);
  return value.is_array() ? value.size() : 0;
}

Node Node::at(std::size_t index) const noexcept { return Node(&value_of(json_)[index]); }

std::string_view Node::text() const noexcept {
  const auto* text = value_of(json_).get_ptr<const Value::string_t*>();
  return text == nullptr ? std::string_view() : std::string_view(*text);
}

std::string_view Node::id() const noexcept { return is_object() ? (*this)["id"].text() : text(); }

std::optional<std::int64_t> Node::integer() const noexcept {
  const Value& value = value_of(json_);
  if (!value.is_number_integer()) return std::nullopt;
  const auto* large = value.get_ptr<const Value::number_unsigned_t*>();
  constexpr auto kLargest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (large != nullptr && *large > kLargest) return std::nullopt;
  return value.get<std::int64_t>();
}

std::optional<bool> Node::boolean() const noexcept {
  const auto* value = value_of(json_).get_ptr<const Value::boolean_t*>();
  return value == nullptr ? std::nullopt : std::optional<bool>(*value);
}

std::optional<postbox::WallTime> Node::time() const noexcept {
  constexpr std::int64_t kYear10000 = 253'402'300'800;
  const auto second = integer();
  if (!second || *second < 0 || *second >= kYear10000) return std::nullopt;
  return postbox::WallTime(std::chrono::seconds(*second));
}

std::int64_t Node::need_integer(std::string_view path) const {
  if (const auto value = integer()) return *value;
  refuse(json_, path, "an integer");
}

bool Node::need_boolean(std::string_view path) const {
  if (const auto value = boolean()) return *value;
  refuse(json_, path, "true or false");
}

std::string_view Node::need_text(std::string_view path) const {
  if (const auto value = text(); !value.empty()) return value;
  refuse(json_, path, "a string");
}

std::string_view Node::need_id(std::string_view path) const {
  if (const auto value = id(); !value.empty()) return value;
  refuse(json_, path, "an id");
}

postbox::WallTime Node::need_time(std::string_view path) const {
  if (const auto value = time()) return *value;
  refuse(json_, path, "a time in Unix seconds");
}

struct Body::Json {
  Value value;
};

Body::Body(std::string_view text) {
  // Only now: the signature is that of the bytes as they came.
  const auto mended = postbox::mended_json(text);
  auto value = Value::parse(mended ? std::string_view(*mended) : text, nullptr, false);
  if (value.is_discarded()) throw BadBody("the body", "JSON in UTF-8");
  json_ = std::make_unique<Json>(Json{std::move(value)});
}

Body::~Body() = default;

Node Body::root() const noexcept { return Node(&json_->value); }

}  // namespace stripe
