#include "page_requests.hpp"

#include <algorithm>
#include <optional>
#include <postbox/config.hpp>
#include <string>
#include <utility>
#include <vector>

#include "dead_command.hpp"
#include "held_command.hpp"
#include "order_events.hpp"
#include "output.hpp"

namespace postbox::cli {
namespace {

constexpr std::size_t kListed = 50;
constexpr std::size_t kMostCounted = 10'000;
// By metric events are dealt with one by one, each in a transaction of its own: an fsync each.
constexpr std::size_t kMostByMetric = 100;
constexpr std::uint64_t kLookedAt = 20'000;  // some tens of milliseconds

Error unusable(const std::string& name, const std::string& expected) {
  return {ErrorCode::kInvalidArgument, name + ": expected " + expected};
}

// An empty text when there is none.
Result<std::string> text(const Json& asked, const char* name) {
  const auto found = asked.find(name);
  if (found == asked.end() || found->is_null()) return std::string();
  if (!found->is_string()) return unusable(name, "a text");
  return found->get<std::string>();
}

Result<std::optional<std::int64_t>> number(const Json& asked, const char* name) {
  const auto found = asked.find(name);
  if (found == asked.end() || found->is_null()) return std::optional<std::int64_t>();
  if (!found->is_number_integer()) return unusable(name, "the id of an event");
  return std::optional(found->get<std::int64_t>());
}

Result<EventKind> kind_of(const Json& asked) {
  const auto name = text(asked, "kind");
  if (!name) return name.error();
  if (*name == "dead") return dead_letters();
  if (*name == "held") return held_events();
  return unusable("kind", R"("dead" or "held")");
}

Result<void> read_texts(const Json& asked, Selection& selection) {
  const std::pair<const char*, std::string Selection::*> texts[] = {{"family", &Selection::family},
                                                                    {"metric", &Selection::metric},
                                                                    {"reason", &Selection::reason}};
  for (const auto& [name, member] : texts) {
    auto given = text(asked, name);
    if (!given) return given.error();
    selection.*member = *std::move(given);
  }
  return {};
}

Result<Selection> selection_of(const Json& asked, const Account& account) {
  Selection selection;
  if (auto read = read_texts(asked, selection); !read) return read.error();
  const auto age = text(asked, "older_than");
  if (!age) return age.error();
  if (!age->empty()) {
    const auto parsed = parse_duration(*age);
    if (!parsed)
      return Error{ErrorCode::kInvalidArgument, "older_than: " + typed(parsed.error().message)};
    selection.older_than = *parsed;
  }
  const auto id = number(asked, "id");
  if (!id) return id.error();
  selection.id = *id;
  if (const auto queue = queue_of(selection, account.config); !queue) return queue.error();
  return selection;
}

Result<EventHandle> after_of(const Json& asked) {
  const auto after = number(asked, "after");
  if (!after) return after.error();
  return *after ? EventHandle{**after} : kFirstEvent;
}

struct Meant {
  EventKind kind;
  Selection selection;
};

Result<Meant> meant_by(const Json& asked, const Account& account) {
  auto kind = kind_of(asked);
  if (!kind) return kind.error();
  auto selection = selection_of(asked, account);
  if (!selection) return selection.error();
  if (!selection->metric.empty()) selection->max = kMostByMetric;
  return Meant{*std::move(kind), *std::move(selection)};
}

Json line_with_remark(const TypedEvent& event, const Account& account, bool reveal) {
  Json json = json_of(event, account.config, reveal);
  json["remark"] = remark_of(event, account.config);
  return json;
}

}  // namespace

Result<Json> PageRequests::list(Account& account, const Json& asked) const {
  const auto meant = meant_by(asked, account);
  if (!meant) return meant.error();
  const auto after = after_of(asked);
  if (!after) return after.error();
  const auto events = meant->kind.list(account, meant->selection, reveal, *after, kListed + 1);
  if (!events) return events.error();
  Json listed = Json::array();
  for (const ShownEvent& event : *events) {
    if (listed.size() < kListed) listed.push_back(json_of(event));
  }
  return Json{{"events", std::move(listed)}, {"more", events->size() > kListed}};
}

Result<Json> PageRequests::show(Account& account, const Json& asked) const {
  const auto meant = meant_by(asked, account);
  if (!meant) return meant.error();
  if (!meant->selection.id) return unusable("id", "the id of an event");
  const auto events = meant->kind.list(account, meant->selection, reveal, kFirstEvent, 1);
  if (!events) return events.error();
  if (events->empty()) return Json{{"found", false}};
  Json json = json_of(events->front());
  json["found"] = true;
  json["event"] = structure_of(events->front().record, reveal);
  return json;
}

Result<Json> PageRequests::count(Account& account, const Json& asked) const {
  auto meant = meant_by(asked, account);
  if (!meant) return meant.error();
  const std::size_t at_once = meant->selection.max;
  const std::size_t most = std::min(at_once, kMostCounted);
  meant->selection.max = most + 1;
  const auto all = count_events(meant->kind, account, meant->selection);
  if (!all) return all.error();
  return Json{{"meant", std::min(*all, most)}, {"more", *all > most}, {"part", *all > at_once}};
}

Result<Json> PageRequests::replay(Account& account, const Json& asked) const {
  const auto meant = meant_by(asked, account);
  if (!meant) return meant.error();
  if (!meant->kind.has_reasons) return unusable("kind", R"("dead")");
  const auto backfill = asked.find("backfill");
  const bool is_backfill = backfill != asked.end() && *backfill == true;
  const auto done = cli::replay(account, meant->selection, is_backfill);
  if (!done) return done.error();
  return Json{{"done", *done}};
}

Result<Json> PageRequests::purge(Account& account, const Json& asked) const {
  const auto meant = meant_by(asked, account);
  if (!meant) return meant.error();
  const auto done = meant->kind.purge(account, meant->selection);
  if (!done) return done.error();
  return Json{{"done", *done}};
}

Result<Json> PageRequests::order(Account& account, const Json& asked) const {
  const auto wanted = text(asked, "order");
  if (!wanted) return wanted.error();
  if (wanted->empty()) return unusable("order", "the number of an order");
  const auto after = after_of(asked);
  if (!after) return after.error();
  const auto search = find_order(account, *wanted, *after, kLookedAt);
  if (!search) return search.error();
  Json events = Json::array();
  for (const TypedEvent& event : search->events) {
    events.push_back(line_with_remark(event, account, reveal));
  }
  Json answer = {{"events", std::move(events)},
                 {"looked_at", search->looked_at},
                 {"locked", search->locked},
                 {"go_on_after", nullptr}};
  if (search->go_on_after) answer["go_on_after"] = static_cast<std::int64_t>(*search->go_on_after);
  return answer;
}

}  // namespace postbox::cli
