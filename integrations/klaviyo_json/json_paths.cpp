#include <algorithm>
#include <charconv>
#include <iterator>
#include <klaviyo_json/json_paths.hpp>
#include <klaviyo_json/object_reader.hpp>
#include <string>
#include <string_view>
#include <unordered_set>

namespace klaviyo {
namespace {

using postbox::Violation;
using Properties = std::vector<Property>;

// Where the JSON has what the struct has at `path`.
template <class T>
std::string_view member_of(std::string_view path) {
  if constexpr (std::same_as<T, Subscription>) {
    if (path == "price") return "amount";
    if (path == "price.currency") return "currency";
  }
  if constexpr (std::same_as<T, ProductView>) {
    if (path == "price.currency" || path == "compare_at_price.currency") return "currency";
  }
  if constexpr (std::same_as<T, CustomEvent>) {
    if (path == "value.currency") return "currency";
  }
  return path;
}

// "properties[0].name", of `properties` at `parent`, is "properties.gift".
void name_property(const std::string& parent, const Properties& properties, std::string& path) {
  if (!path.starts_with(parent + "[")) return;
  std::size_t index = properties.size();
  std::from_chars(path.data() + parent.size() + 1, path.data() + path.size(), index);
  if (index < properties.size())
    path = detail::property_path(parent, properties[index].name, index);
}

void name_properties(const Profile& profile, std::string& path) {
  name_property("properties", profile.properties, path);
}

void name_properties(const ConsentWord& /*word*/, std::string& /*path*/) {}

template <class T>
void name_properties(const T& value, std::string& path) {
  name_property("properties", value.properties, path);
  name_property("customer.properties", value.customer.properties, path);
}

using Paths = std::unordered_set<std::string_view>;

// Whether one of `paths` is `path`, or what it lies in.
bool lies_in(std::string_view path, const Paths& paths) {
  while (!path.empty()) {
    if (paths.contains(path)) return true;
    const std::size_t end = path.find_last_of(".[");
    path = path.substr(0, end == std::string_view::npos ? 0 : end);
  }
  return false;
}

}  // namespace

template <ReadableFromJson T>
std::vector<Violation> in_json(const T& value, std::vector<Violation> of_event) {
  std::vector<Violation> all;
  std::unordered_set<std::string> seen;
  for (Violation& violation : of_event) {
    std::string path(member_of<T>(violation.path));
    name_properties(value, path);
    if (seen.insert(path + ": " + violation.rule).second) {
      all.push_back({std::move(path), std::move(violation.rule)});
    }
  }
  return all;
}

template std::vector<Violation> in_json(const Order&, std::vector<Violation>);
template std::vector<Violation> in_json(const Cart&, std::vector<Violation>);
template std::vector<Violation> in_json(const Subscription&, std::vector<Violation>);
template std::vector<Violation> in_json(const Profile&, std::vector<Violation>);
template std::vector<Violation> in_json(const ProductView&, std::vector<Violation>);
template std::vector<Violation> in_json(const CustomEvent&, std::vector<Violation>);
template std::vector<Violation> in_json(const ConsentWord&, std::vector<Violation>);

std::vector<Violation> merged(std::vector<Violation> of_json, std::vector<Violation> of_event) {
  Paths unreadable;
  for (const Violation& violation : of_json) unreadable.insert(violation.path);
  std::erase_if(of_event,
                [&](const Violation& violation) { return lies_in(violation.path, unreadable); });
  unreadable.clear();  // they view what moves now
  std::ranges::move(of_event, std::back_inserter(of_json));
  return of_json;
}

}  // namespace klaviyo
