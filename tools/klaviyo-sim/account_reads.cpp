#include "account_reads.hpp"

#include <algorithm>
#include <set>

#include "resources.hpp"

namespace sim {
namespace {

const std::set<std::string> kTimeComparisons = {"greater-than", "greater-or-equal", "less-than",
                                                "less-or-equal"};

bool accepts_event(const Account& account, const ListQuery& query, std::size_t index) {
  const Event& event = account.events.event(index);
  return std::all_of(query.conditions.begin(), query.conditions.end(),
                     [&](const Condition& condition) {
                       if (condition.field == "metric_id") {
                         return is_one_of(condition, account.events.metric(event.metric).id);
                       }
                       if (condition.field == "profile_id") {
                         return is_one_of(condition, account.profiles.at(event.profile).id);
                       }
                       return compare_seconds(condition, event.time.time_since_epoch().count());
                     });
}

bool accepts_profile(const Account& account, const ListQuery& query, std::size_t index) {
  const Profile& profile = account.profiles.at(index);
  return std::all_of(
      query.conditions.begin(), query.conditions.end(), [&](const Condition& condition) {
        if (condition.field == "id") return is_one_of(condition, profile.id);
        if (condition.field == "created") {
          return compare_seconds(condition, profile.created.time_since_epoch().count());
        }
        if (condition.field == "updated") {
          return compare_seconds(condition, profile.updated.time_since_epoch().count());
        }
        return std::ranges::any_of(condition.values, [&](const std::string& value) {
          return account.profiles.find(condition.field, value) == index;
        });
      });
}

// Every metric that this server knows came through its own API.
bool accepts_metric(const ListQuery& query) {
  return std::all_of(query.conditions.begin(), query.conditions.end(),
                     [](const Condition& condition) { return is_one_of(condition, "API"); });
}

Json page_links(const Page& page, const Request& request, const std::string& base) {
  const auto link = [&](const std::optional<Cursor>& cursor) -> Json {
    if (!cursor) return nullptr;
    return base + request.path + query_with_cursor(request, encode_cursor(*cursor));
  };
  return {{"self", base + request.path + query_with_cursor(request, std::nullopt)},
          {"next", link(page.next)},
          {"prev", link(page.previous)}};
}

Json page_document(Json data, const Page& page, const Request& request, const std::string& base) {
  return {{"data", std::move(data)}, {"links", page_links(page, request, base)}};
}

// The profiles and metrics that a page of events refers to, each once.
Json included_resources(const Account& account, const Page& page, const ListQuery& query,
                        const std::string& base) {
  std::set<std::size_t> metrics;
  std::set<std::size_t> profiles;
  for (const std::size_t index : page.items) {
    metrics.insert(account.events.event(index).metric);
    profiles.insert(account.events.event(index).profile);
  }
  Json included = Json::array();
  if (query.includes.count("metric") != 0) {
    for (const std::size_t index : metrics) {
      included.push_back(metric_resource(account.events.metric(index), base));
    }
  }
  if (query.includes.count("profile") != 0) {
    for (const std::size_t index : profiles) {
      included.push_back(profile_resource(account.profiles.at(index), base));
    }
  }
  for (Json& resource : included) {
    keep_fields(resource, query.fields);
  }
  return included;
}

}  // namespace

const ListRules& event_list_rules() {
  // The documentation names no order for a list without `sort`; newest first shows a developer
  // what was sent last.
  static const ListRules rules = {200,
                                  1000,
                                  {"datetime", "timestamp"},
                                  {"metric", "profile", "attributions"},
                                  {{"metric_id", {"equals"}},
                                   {"profile_id", {"equals"}},
                                   {"datetime", kTimeComparisons},
                                   {"timestamp", kTimeComparisons}},
                                  true};
  return rules;
}

const ListRules& profile_list_rules() {
  static const ListRules rules = {20,
                                  100,
                                  {"created"},
                                  {"conversations", "push-tokens"},
                                  {{"id", {"equals", "any"}},
                                   {"email", {"equals", "any"}},
                                   {"phone_number", {"equals", "any"}},
                                   {"external_id", {"equals", "any"}},
                                   {"_kx", {"equals"}},
                                   {"created", {"greater-than", "less-than"}},
                                   {"updated", {"greater-than", "less-than"}}},
                                  false};
  return rules;
}

const ListRules& metric_list_rules() {
  static const ListRules rules = {
      200,
      200,
      {},
      {"flow-triggers"},
      {{"integration.name", {"equals"}}, {"integration.category", {"equals"}}},
      false};
  return rules;
}

Json list_events(const Account& account, const ListQuery& query, const Request& request,
                 const std::string& base) {
  const Page page = take_page(account.events.by_time(), query.page, [&](std::size_t index) {
    return accepts_event(account, query, index);
  });
  Json data = Json::array();
  for (const std::size_t index : page.items) {
    const Event& event = account.events.event(index);
    Json resource = event_resource(event, account.profiles.at(event.profile).id,
                                   account.events.metric(event.metric).id, base);
    keep_fields(resource, query.fields);
    data.push_back(std::move(resource));
  }
  Json document = page_document(std::move(data), page, request, base);
  if (!query.includes.empty()) {
    document["included"] = included_resources(account, page, query, base);
  }
  return document;
}

Json list_profiles(const Account& account, const ListQuery& query, const Request& request,
                   const std::string& base) {
  const Page page = take_page(account.profiles.by_creation(), query.page, [&](std::size_t index) {
    return accepts_profile(account, query, index);
  });
  Json data = Json::array();
  for (const std::size_t index : page.items) {
    data.push_back(profile_resource(account.profiles.at(index), base, query.with_subscriptions));
    keep_fields(data.back(), query.fields);
  }
  return page_document(std::move(data), page, request, base);
}

Json list_metrics(const Account& account, const ListQuery& query, const Request& request,
                  const std::string& base) {
  const Page page = take_page(account.events.metrics_by_creation(), query.page,
                              [&](std::size_t) { return accepts_metric(query); });
  Json data = Json::array();
  for (const std::size_t index : page.items) {
    data.push_back(metric_resource(account.events.metric(index), base));
    keep_fields(data.back(), query.fields);
  }
  return page_document(std::move(data), page, request, base);
}

Json list_accounts(const std::string& base) {
  return {{"data", Json::array({account_resource(base)})},
          {"links", {{"self", base + "/api/accounts"}, {"next", nullptr}, {"prev", nullptr}}}};
}

Json show_profile(const Account& account, std::size_t index, const std::string& base) {
  return {{"data", profile_resource(account.profiles.at(index), base)},
          {"links", {{"self", base + "/api/profile-import"}}}};
}

}  // namespace sim
