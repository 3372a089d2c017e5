#include "resources.hpp"

#include <string_view>

#include "rfc3339.hpp"

namespace sim {
namespace {

Json self_link(const std::string& base, const char* collection, const std::string& id) {
  return {{"self", base + "/api/" + collection + "/" + id}};
}

Json relationship(const std::string& owner, const char* name, Json data) {
  return {{"data", std::move(data)},
          {"links", {{"self", owner + "/relationships/" + name}, {"related", owner + "/" + name}}}};
}

Json relationship_links(const std::string& owner, const char* name) {
  return {{"links", {{"self", owner + "/relationships/" + name}, {"related", owner + "/" + name}}}};
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
    if (is_plain) {
      encoded += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      encoded += '%';
      encoded += kHex[byte >> 4U];
      encoded += kHex[byte & 15U];
    }
  }
  return encoded;
}

Json or_null(const Json& attributes, const char* name) {
  const auto found = attributes.find(name);
  return found == attributes.end() ? Json() : *found;
}

Json location_of(const Json& attributes) {
  Json location = Json::object();
  const Json sent = attributes.value("location", Json::object());
  for (const char* name : {"address1", "address2", "city", "country", "latitude", "longitude",
                           "region", "zip", "timezone", "ip"}) {
    location[name] = or_null(sent, name);
  }
  return location;
}

Json subscription_of(const Profile& profile, const std::string& channel) {
  const auto found = profile.subscriptions.find(channel);
  const bool is_known = found != profile.subscriptions.end();
  const bool is_subscribed = is_known && found->second.is_subscribed;
  Json marketing = {{"consent", is_subscribed ? "SUBSCRIBED"
                                : is_known    ? "UNSUBSCRIBED"
                                              : "NEVER_SUBSCRIBED"},
                    {"consent_timestamp", nullptr},
                    {"last_updated", nullptr},
                    {"method", is_known ? Json("API") : Json()},
                    {"custom_method_detail", nullptr},
                    {"double_optin", false}};
  // Whoever has never said anything may be written to, and not be called.
  marketing["can_receive_" + channel + "_marketing"] =
      is_subscribed || (!is_known && channel == "email");
  if (is_known) {
    marketing["consent_timestamp"] = format_date_time(found->second.consented);
    marketing["last_updated"] = format_date_time(found->second.updated);
    if (found->second.custom_source) {
      marketing["custom_method_detail"] = *found->second.custom_source;
    }
  }
  return {{"marketing", std::move(marketing)}};
}

Json subscriptions_of(const Profile& profile) {
  Json subscriptions = Json::object();
  for (const char* channel : {"email", "sms", "whatsapp"}) {
    subscriptions[channel] = subscription_of(profile, channel);
  }
  return subscriptions;
}

}  // namespace

Json event_resource(const Event& event, const std::string& profile_id, const std::string& metric_id,
                    const std::string& base) {
  const Json links = self_link(base, "events", event.id);
  const auto& self = links["self"].get_ref<const std::string&>();
  Json resource = {
      {"type", "event"},
      {"id", event.id},
      {"attributes",
       {{"timestamp", event.time.time_since_epoch().count()},
        {"event_properties", event.properties},
        {"datetime", format_date_time(event.time)},
        {"uuid", event.uuid}}},
      {"relationships",
       {{"profile", relationship(self, "profile", {{"type", "profile"}, {"id", profile_id}})},
        {"metric", relationship(self, "metric", {{"type", "metric"}, {"id", metric_id}})},
        {"attributions", relationship(self, "attributions", Json::array())}}},
      {"links", links}};
  // The real one does not show the flag; tests of an import need to see that it arrived.
  if (event.backfill) resource["meta"] = {{"backfill", true}};
  return resource;
}

Json profile_resource(const Profile& profile, const std::string& base, bool with_subscriptions) {
  const Json links = self_link(base, "profiles", profile.id);
  const auto& self = links["self"].get_ref<const std::string&>();
  Json attributes = Json::object();
  for (const char* name : {"email", "phone_number", "external_id", "first_name", "last_name",
                           "organization", "locale", "title", "image"}) {
    attributes[name] = or_null(profile.attributes, name);
  }
  attributes["created"] = format_date_time(profile.created);
  attributes["updated"] = format_date_time(profile.updated);
  attributes["last_event_date"] =
      profile.last_event ? Json(format_date_time(*profile.last_event)) : Json();
  attributes["location"] = location_of(profile.attributes);
  attributes["properties"] = profile.attributes.value("properties", Json::object());
  if (with_subscriptions) attributes["subscriptions"] = subscriptions_of(profile);
  Json resource = {{"type", "profile"},
                   {"id", profile.id},
                   {"attributes", std::move(attributes)},
                   {"relationships",
                    {{"lists", relationship_links(self, "lists")},
                     {"segments", relationship_links(self, "segments")},
                     {"push-tokens", relationship_links(self, "push-tokens")}}},
                   {"links", links}};
  // The real one has them behind the link.
  if (with_subscriptions) resource["meta"] = {{"lists", profile.lists}};
  return resource;
}

Json metric_resource(const Metric& metric, const std::string& base) {
  const Json links = self_link(base, "metrics", metric.id);
  const auto& self = links["self"].get_ref<const std::string&>();
  return {{"type", "metric"},
          {"id", metric.id},
          {"attributes",
           {{"name", metric.name},
            {"created", format_date_time(metric.created)},
            {"updated", format_date_time(metric.updated)},
            {"integration",
             {{"object", "integration"}, {"id", "0rG4eQ"}, {"name", "API"}, {"category", "API"}}}}},
          {"relationships", {{"flow-triggers", relationship_links(self, "flow-triggers")}}},
          {"links", links}};
}

Json account_resource(const std::string& base) {
  const Json address = {
      {"address1", "1 Test Street"}, {"address2", ""}, {"city", "Paris"}, {"region", ""},
      {"country", "France"},         {"zip", "75001"}};
  return {{"type", "account"},
          {"id", "SiMu1A"},
          {"attributes",
           {{"test_account", true},
            {"contact_information",
             {{"default_sender_name", "Simulated Shop"},
              {"default_sender_email", "shop@simulated.invalid"},
              {"website_url", "http://simulated.invalid"},
              {"organization_name", "Simulated Shop"},
              {"street_address", address}}},
            {"industry", "Ecommerce"},
            {"timezone", "UTC"},
            {"preferred_currency", "EUR"},
            {"public_api_key", "SiMu1A"},
            {"locale", "en-US"}}},
          {"links", self_link(base, "accounts", "SiMu1A")}};
}

void keep_fields(Json& resource, const std::map<std::string, std::set<std::string>>& fields) {
  const auto shown = fields.find(resource["type"].get<std::string>());
  if (shown == fields.end()) return;
  Json kept = Json::object();
  for (const auto& [name, value] : resource["attributes"].items()) {
    if (shown->second.count(name) != 0) kept[name] = value;
  }
  resource["attributes"] = std::move(kept);
}

std::string query_with_cursor(const Request& request, const std::optional<std::string>& cursor) {
  std::string query;
  const auto add = [&](const std::string& name, const std::string& value) {
    query += (query.empty() ? "?" : "&") + percent_encode(name) + "=" + percent_encode(value);
  };
  for (const auto& [name, value] : request.query) {
    if (!cursor || name != "page[cursor]") add(name, value);
  }
  if (cursor) add("page[cursor]", *cursor);
  return query;
}

}  // namespace sim
