#include "events_command.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "account.hpp"
#include "event_text.hpp"
#include "output.hpp"
#include "selection.hpp"

namespace postbox::cli {
namespace {

constexpr std::size_t kPage = 500;

struct EventsArguments {
  AccountOptions account;
  std::string order;
};

// False when the payload cannot hold the text, which JSON writes as it is unless it escapes a part.
bool may_hold(const std::string& payload, const std::string& text) {
  const bool is_plain = std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
  });
  return !is_plain || payload.find(text) != std::string::npos;
}

// Whether the event reports something of the order: it has its number, or its number as its own id.
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

// What there is to say of where it is.
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

struct Found {
  std::vector<TypedEvent> events;
  std::uint64_t locked = 0;  // of whatever order: their key is not set
};

Result<Found> find(const Account& account, const std::string& order) {
  Found found;
  EventHandle after{std::numeric_limits<std::int64_t>::min()};
  for (;;) {
    auto page = account.outbox.events(after, kPage);
    if (!page) return page.error();
    if (page->empty()) return found;
    after = page->back().handle;
    for (TypedEvent& event : *page) {
      if (event.record.payload.empty()) ++found.locked;
      if (is_of_order(event, order)) found.events.push_back(std::move(event));
    }
  }
}

EventLine line_of(const TypedEvent& event, const klaviyo::Config& config) {
  return {.handle = event.handle,
          .family = name_of(event.record.queue, config),
          .metric = event.type,
          .key = shown_key(event.key, false),
          .age = event.age};
}

void write_people(const std::vector<TypedEvent>& events, const Account& account,
                  const std::string& order, std::ostream& out) {
  if (events.empty()) {
    out << "no event of the order " << shown_key(order, false)
        << " is in the outbox: it was delivered, or removed, or was never accepted\n";
    return;
  }
  Table table({"id", "family", "metric", "key", "age", "where", "remark"});
  for (const TypedEvent& event : events) {
    const EventLine line = line_of(event, account.config);
    table.add({std::to_string(static_cast<std::int64_t>(line.handle)), line.family, line.metric,
               line.key, in_words(line.age), word_of(event.state),
               remark_of(event, account.config)});
  }
  table.write(out);
  out << "\nWhat is not here was delivered, or removed, or was never accepted.\n";
}

void write_machine(const std::vector<TypedEvent>& events, const Account& account,
                   std::ostream& out) {
  Json all = Json::array();
  for (const TypedEvent& event : events) {
    Json json = json_of(line_of(event, account.config));
    json["state"] = word_of(event.state);
    json["attempts"] = event.attempts;
    if (event.due) json["due_ms"] = event.due->count();
    if (event.state == EventState::kDead) json["reason"] = event.reason;
    all.push_back(std::move(json));
  }
  write_json(out, {{"events", std::move(all)}});
}

int run_events(const EventsArguments& arguments, Console& console) {
  const auto account = open_account(arguments.account);
  if (!account) return fail(console, account.error());
  const auto found = find(*account, arguments.order);
  if (!found) return fail(console, found.error());
  const std::vector<TypedEvent>& events = found->events;
  if (arguments.account.json) {
    write_machine(events, *account, console.out);
  } else {
    write_people(events, *account, arguments.order, console.out);
  }
  if (found->locked > 0) {
    return fail(console, {ErrorCode::kInvalidConfig,
                          counted(found->locked, "event") +
                              " cannot be read, and may be of the order: they are encrypted with "
                              "a key that is not set; put it into POSTBOX_ENCRYPTION_KEY"});
  }
  const bool any_dead =
      std::ranges::any_of(events, [](const auto& e) { return e.state == EventState::kDead; });
  return any_dead ? kProblem : kDone;
}

}  // namespace

void add_events(CLI::App& app, Run& run) {
  const auto arguments = std::make_shared<EventsArguments>();
  CLI::App* command = app.add_subcommand("events", "Find the events of an order");
  command->footer(
      "Looks at every event of the outbox: seconds, where a million wait. Exit code: 1 when one "
      "of\n"
      "them is a dead letter.\n"
      "Example:\n"
      "  postbox events --order 1001");
  add_account_options(*command, arguments->account);
  command->add_option("--order", arguments->order, "The number of the order")->required();
  command->callback([arguments, &run] {
    run = [arguments](Console& console) { return run_events(*arguments, console); };
  });
}

}  // namespace postbox::cli
