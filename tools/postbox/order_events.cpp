#include "order_events.hpp"

#include <algorithm>
#include <utility>

namespace postbox::cli {
namespace {

constexpr std::size_t kPage = 500;

// False when the payload cannot hold the text, which JSON writes as it is unless it escapes a part.
bool may_hold(const std::string& payload, const std::string& text) {
  const bool is_plain = std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
  });
  return !is_plain || payload.find(text) != std::string::npos;
}

// True when the event reports something of the order: it has its number, or its number as its own
// id.
bool is_of_order(const TypedEvent& event, const std::string& order) {
  if (event.key == order) return true;
  if (!may_hold(event.record.payload, order)) return false;
  const Json whole = structure_of(event.record, true);
  if (!whole.is_object()) return false;
  const auto properties = whole.find("properties");
  if (properties == whole.end() || !properties->is_object()) return false;
  const auto id = properties->find("OrderId");
  return id != properties->end() && *id == order;
}

}  // namespace

Result<OrderSearch> find_order(const Account& account, const std::string& order, EventHandle after,
                               std::uint64_t most) {
  OrderSearch search;
  while (search.looked_at < most) {
    auto page = account.outbox.events(after, kPage);
    if (!page) return page.error();
    if (page->empty()) return search;
    after = page->back().handle;
    search.looked_at += page->size();
    for (TypedEvent& event : *page) {
      if (event.record.payload.empty()) ++search.locked;
      if (is_of_order(event, order)) search.events.push_back(std::move(event));
    }
  }
  search.go_on_after = after;
  return search;
}

const char* word_of(EventState state) {
  switch (state) {
    case EventState::kReady:
    case EventState::kLeased:
      return "waiting";
    case EventState::kDelayed:
      return "delayed";
    case EventState::kHeld:
      return "held";
    case EventState::kDead:
      break;
  }
  return "dead";
}

std::string remark_of(const TypedEvent& event, const klaviyo::Config& config) {
  switch (event.state) {
    case EventState::kReady:
    case EventState::kLeased:
      return "to be sent next, or under way";
    case EventState::kDelayed:
      return "to be sent in " + in_words(event.due.value_or(std::chrono::milliseconds(0)));
    case EventState::kHeld:
      return name_of(event.record.queue, config) + " is switched off";
    case EventState::kDead:
      break;
  }
  return event.reason;
}

EventLine line_of(const TypedEvent& event, const klaviyo::Config& config, bool reveal) {
  return {.handle = event.handle,
          .family = name_of(event.record.queue, config),
          .metric = event.type,
          .key = shown_key(event.key, reveal),
          .age = event.age};
}

Json json_of(const TypedEvent& event, const klaviyo::Config& config, bool reveal) {
  Json json = json_of(line_of(event, config, reveal));
  json["state"] = word_of(event.state);
  json["attempts"] = event.attempts;
  if (event.due) json["due_ms"] = event.due->count();
  if (event.state == EventState::kDead) json["reason"] = event.reason;
  return json;
}

}  // namespace postbox::cli
