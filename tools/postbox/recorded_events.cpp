#include "recorded_events.hpp"

#include <array>
#include <charconv>
#include <postbox/rfc3339.hpp>
#include <postbox/schema.hpp>
#include <utility>

namespace postbox::cli {
namespace {

using ApiJson = nlohmann::json;
using klaviyo::Finding;
using Level = klaviyo::FindingLevel;

const ApiJson* member(const ApiJson& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

std::string text_of(const ApiJson* object, const char* name) {
  const ApiJson* value = object == nullptr ? nullptr : member(*object, name);
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

// The cursor in the link to the next page, encoded as it stands there. The link itself is not
// followed: the key goes to the address of the settings alone.
std::string next_cursor(const ApiJson& body) {
  const std::string link = text_of(member(body, "links"), "next");
  for (const std::string name : {"page%5Bcursor%5D=", "page[cursor]="}) {
    const std::size_t place = link.find(name);
    if (place == std::string::npos) continue;
    const std::size_t from = place + name.size();
    return link.substr(from, link.find('&', from) - from);
  }
  return {};
}

Finding of_another_form() {
  return {Level::kProblem, "answer", "Klaviyo answers in a form that is not known",
          "unset KLAVIYO_REVISION and KLAVIYO_API_URL, whose defaults are good"};
}

// "12.5" of 12.5 and "12.5": the shortest decimal that the number was read from.
std::string decimal_of(const ApiJson* value) {
  if (value == nullptr) return "0";
  if (value->is_string()) return value->get<std::string>();
  if (!value->is_number_float()) return value->dump();
  std::array<char, 64> buffer{};
  const auto written =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value->get<double>());
  return {buffer.data(), written.ptr};
}

std::string time_text(std::chrono::sys_seconds time) {
  std::string text;
  append_time(time, text);
  return text;
}

// Nothing where the form is another one.
std::optional<SideEvent> event_of(const ApiJson& resource, const KnownMetric& metric,
                                  const Period& period) {
  const ApiJson* attributes = member(resource, "attributes");
  const auto time = parse_rfc3339(text_of(attributes, "datetime"));
  const ApiJson* properties =
      attributes == nullptr ? nullptr : member(*attributes, "event_properties");
  if (!time || properties == nullptr || !properties->is_object()) return std::nullopt;
  const auto value = Amount::parse(decimal_of(member(*properties, "$value")));
  return SideEvent{.metric = metric.name,
                   .id = text_of(properties, "$event_id"),
                   .day = period.day_of(std::chrono::floor<std::chrono::seconds>(*time)),
                   .value = value.value_or(Amount()),
                   .currency = klaviyo::Currency(text_of(properties, "$currency_code"))};
}

}  // namespace

std::optional<Finding> RecordedEvents::read_pages(const std::string& target, std::string_view scope,
                                                  const Item& item) {
  std::string cursor;
  do {
    const ProbeAnswer answer =
        api_.get_patiently(target + (cursor.empty() ? "" : "&page%5Bcursor%5D=" + cursor));
    const HttpResponse* response = success(answer);
    if (response == nullptr) return refusal_of(answer, scope);
    const ApiJson body = ApiJson::parse(response->body, nullptr, /*allow_exceptions=*/false);
    const ApiJson* data = member(body, "data");
    if (data == nullptr || !data->is_array()) return of_another_form();
    for (const ApiJson& resource : *data) {
      if (!item(resource)) return of_another_form();
    }
    const std::string next = next_cursor(body);
    if (!next.empty() && next == cursor) return of_another_form();
    cursor = next;
    if (!cursor.empty() && !api_.wait(std::chrono::milliseconds(0))) {
      return Finding{Level::kProblem, "time",
                     api_.is_interrupted() ? "This was ended before all was read"
                                           : "Not all could be read within the timeout",
                     "ask for fewer days at once, or wait longer with --timeout"};
    }
  } while (!cursor.empty());
  return std::nullopt;
}

std::optional<Finding> RecordedEvents::read_metrics(std::vector<KnownMetric>& metrics) {
  return read_pages(
      "/api/metrics?fields%5Bmetric%5D=name,integration", "metrics:read",
      [&metrics](const ApiJson& resource) {
        const ApiJson* attributes = member(resource, "attributes");
        if (attributes == nullptr) return false;
        metrics.push_back({.id = text_of(&resource, "id"),
                           .name = text_of(attributes, "name"),
                           .integration = text_of(member(*attributes, "integration"), "name")});
        return true;
      });
}

std::optional<Finding> RecordedEvents::read(const KnownMetric& metric, const Period& period,
                                            const Take& take, const Note& note) {
  constexpr std::uint64_t kBetweenNotes = 10'000;
  const std::string filter = "equals(metric_id," + in_quotes(metric.id) +
                             "),greater-or-equal(datetime," + time_text(period.begin()) +
                             "),less-than(datetime," + time_text(period.end()) + ")";
  std::uint64_t count = 0;
  return read_pages("/api/events?filter=" + percent_encoded(filter) +
                        "&fields%5Bevent%5D=event_properties,datetime&sort=datetime"
                        "&page%5Bsize%5D=200",
                    "events:read", [&](const ApiJson& resource) {
                      auto event = event_of(resource, metric, period);
                      if (!event) return false;
                      take(*std::move(event));
                      if (++count % kBetweenNotes == 0) note(count);
                      return true;
                    });
}

}  // namespace postbox::cli
