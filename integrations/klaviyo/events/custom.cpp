#include <klaviyo/catalogue.hpp>
#include <klaviyo/events/custom.hpp>
#include <klaviyo/events/scratch.hpp>
#include <klaviyo/hash.hpp>
#include <klaviyo/metric_names.hpp>

namespace klaviyo {
namespace {

std::string contents_id(std::string_view contents, postbox::WallTime time) {
  std::string id;
  append_hex64(hash_key({"event", contents}), id);
  id += '_';
  append_second(time, id);
  return id;
}

}  // namespace

void validate_basics(const EventBasics& event, std::size_t typed, bool (*taken)(std::string_view),
                     postbox::WallTime now, std::vector<postbox::Violation>& violations) {
  const postbox::Path root;
  validate_profile(event.customer, root.child("customer"), violations);
  if (event.value) {
    const postbox::Path value = root.child("value");
    postbox::validate(event.value->currency, value.child("currency"), {.required = true},
                      violations);
  }
  if (event.occurred_at) check_time(*event.occurred_at, now, root.child("occurred_at"), violations);
  check_unique_id(event.unique_id, root.child("unique_id"), violations);
  validate_properties(event.properties, typed, taken, violations);
}

namespace detail {

void append_worth(const std::optional<Money>& value, std::string& contents) {
  if (!value) return;
  contents += '\n';  // stands in no JSON: contents with a value equal none without
  append_decimal(*value, contents);
  contents += value->currency.code();
}

bool begin_event(const EventBasics& event, std::string_view metric, const postbox::Family& family,
                 std::string_view contents, postbox::EventBatch& batch, OwnedHead& owned) {
  auto& violations = batch.violations();
  if (std::string problem = metric_name_problem(metric); !problem.empty()) {
    violations.push_back({"name", std::move(problem)});
  }
  owned.head.profile = profile_text(event.customer, violations);
  if (!violations.empty()) return false;

  EventHead& head = owned.head;
  head.queue = family.queue;
  head.profile_key = profile_key(event.customer);
  head.metric = batch.name_of(metric);
  head.time = event.occurred_at.value_or(batch.now());
  head.value = event.value;
  owned.kind = kind_of(metric);
  owned.unique_id = event.unique_id.empty() ? contents_id(contents, head.time) : event.unique_id;
  head.kind = owned.kind;
  head.unique_id = owned.unique_id;
  return true;
}

}  // namespace detail

Event<CustomEvent> custom_event(CustomEvent event) { return Event<CustomEvent>(std::move(event)); }

Event<CustomEvent> custom_event(std::string name, Profile customer,
                                std::vector<Property> properties, std::optional<Money> value,
                                std::string unique_id) {
  CustomEvent event;
  event.customer = std::move(customer);
  event.value = value;
  event.unique_id = std::move(unique_id);
  event.properties = std::move(properties);
  event.name = std::move(name);
  return custom_event(std::move(event));
}

}  // namespace klaviyo
