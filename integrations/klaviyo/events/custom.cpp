#include <klaviyo/catalogue.hpp>
#include <klaviyo/encode.hpp>
#include <klaviyo/events/custom.hpp>
#include <klaviyo/events/scratch.hpp>
#include <klaviyo/events/settled.hpp>
#include <klaviyo/hash.hpp>
#include <klaviyo/metric_names.hpp>
#include <klaviyo/schemas/ignored_of_event.hpp>

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

namespace {

// An EventHead with the texts that it points at.
struct OwnedHead {
  std::string log_name;
  std::string unique_id;
  EventHead head;
};

// The bytes that a default unique_id is made of: all that the event says, and what it is worth.
std::string contents_of(const EventBasics& event, const detail::TypedFields& fields) {
  std::string contents;
  write_properties(event.properties, fields.write(fields.event, true, contents), contents);
  if (!event.value) return contents;
  contents += '\n';  // stands in no JSON: contents with a value equal none without
  append_decimal(*event.value, contents);
  contents += event.value->currency.code();
  return contents;
}

void fill(OwnedHead& owned, const EventBasics& event, std::string_view metric,
          const detail::TypedFields& fields, const postbox::EventBatch& batch) {
  EventHead& head = owned.head;
  head.profile_key = profile_key(event.customer);
  head.metric = batch.name_of(metric);
  head.time = event.occurred_at.value_or(batch.now());
  head.value = event.value;
  owned.log_name = log_name_of(metric);
  owned.unique_id = event.unique_id.empty() ? contents_id(contents_of(event, fields), head.time)
                                            : event.unique_id;
  head.log_name = owned.log_name;
  head.unique_id = owned.unique_id;
}

// Warnings about what Klaviyo would leave out of the event, or was written otherwise than it was
// given.
void warn_of(const EventBasics& event, const detail::TypedFields& fields,
             postbox::EventBatch& batch) {
  const postbox::Path root;
  const postbox::Path properties = root.child("properties");
  const postbox::Path customer = root.child("customer");
  fields.find_ignored(fields.event, batch.warnings());
  find_ignored(event.properties, properties, batch.warnings());
  std::vector<postbox::Violation> mended;
  fields.find_mended(fields.event, mended);
  find_mended(event.properties, properties, mended);
  find_mended(event.customer, customer, mended);
  batch.mend(std::move(mended));
  find_ignored_of_customer(event.customer, customer, batch.warnings());
}

// An event with its customer as the batch's tracker knows it.
class SettledBasics {
 public:
  SettledBasics(const detail::TypedView& event, const postbox::EventBatch& batch)
      : basics_(event.basics), changes_(*event.changes) {
    if (is_settled(basics_->customer)) return;
    settled_ = *basics_;
    basics_ = &settled_;
    const postbox::Path root;
    settle(settled_.customer, default_country(batch), root.child("customer"), changes_);
  }
  SettledBasics(const SettledBasics&) = delete;
  SettledBasics& operator=(const SettledBasics&) = delete;

  [[nodiscard]] const EventBasics& operator*() const noexcept { return *basics_; }
  [[nodiscard]] const std::vector<postbox::Violation>& changes() const noexcept { return changes_; }

 private:
  const EventBasics* basics_;
  EventBasics settled_;
  std::vector<postbox::Violation> changes_;
};

void check(const EventBasics& event, const detail::TypedView& typed, postbox::EventBatch& batch) {
  const detail::TypedFields& fields = typed.fields;
  auto& violations = batch.violations();
  fields.validate(fields.event, violations);
  validate_basics(event, fields.count(fields.event), fields.has_name, batch.now(), violations);
  if (std::string problem = metric_name_problem(typed.metric); !problem.empty()) {
    violations.push_back({"name", std::move(problem)});
  }
}

postbox::EventRecord record_of(const EventHead& head, const EventBasics& event,
                               const detail::TypedFields& fields) {
  postbox::EventRecord record = begin_record(head, json_size_hint(event.properties));
  const bool first = fields.write(fields.event, true, record.payload);
  write_properties(event.properties, first, record.payload);
  finish_record(head, record);
  return record;
}

}  // namespace

namespace detail {

void encode(const TypedView& typed, postbox::EventBatch& batch) {
  batch.set_name({batch.name_of(typed.metric), typed.metric, typed.basics->unique_id});
  const SettledBasics settled(typed, batch);
  const EventBasics& event = *settled;
  auto& violations = batch.violations();
  check(event, typed, batch);
  OwnedHead owned;
  owned.head.queue = typed.family->queue;
  owned.head.profile = profile_text(event.customer, violations);
  if (!violations.empty()) return;
  fill(owned, event, typed.metric, typed.fields, batch);
  warn_of(event, typed.fields, batch);
  auto record = record_of(owned.head, event, typed.fields);
  if (check_size(record, violations)) batch.add(std::move(record));
  Settled::report(settled.changes(), batch);
}

postbox::Key profile_key(const Profile& customer, const postbox::EventBatch& batch) {
  if (is_settled(customer)) return klaviyo::profile_key(customer);
  Profile settled = customer;
  std::vector<postbox::Violation> unheard;
  settle(settled, default_country(batch), {}, unheard);
  return klaviyo::profile_key(settled);
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
