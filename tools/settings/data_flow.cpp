#include "data_flow.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <event_text.hpp>
#include <iterator>
#include <klaviyo/catalogue.hpp>
#include <klaviyo/config.hpp>
#include <klaviyo/consent_job.hpp>
#include <klaviyo/request.hpp>
#include <klaviyo/schemas/profile_fields.hpp>
#include <output.hpp>
#include <page.hpp>
#include <string_view>
#include <stripe/config.hpp>
#include <vector>

namespace postbox {
namespace {

constexpr std::string_view kHead = R"(# What leaves the process, and where it waits

This page is written by `settings_reference` from the field tables that check and write the events: change a
table, then run `build/release/bin/settings_reference .`. It names every field that can leave the process, where it
goes, why, whether it is personal, where it waits and for how long.

Nothing leaves for anybody but Klaviyo, at `KLAVIYO_API_URL`, and Stripe where thin events are fetched. Without a
key nothing leaves and nothing is kept; of a family that is off no event leaves, and no new one is kept. A field that
the shop leaves empty is not sent. `KLAVIYO_ALLOWED_PROPERTIES` says which of the shop's own properties may be stored,
and `before_store` takes out whatever it likes ([operations.md](operations.md#what-must-not-be-stored)).
What is personal: "yes" tells of a person; "can be" is free text, or an address on the web, that a shop fills as
it likes; "no" says what happened, and not to whom. All of it belongs to a profile once it is at Klaviyo. Where no
reason stands, it is what the family is for.
)";

struct Endpoint {
  std::string_view path;
  std::string_view carries;
  std::string_view purpose;
};

constexpr auto kEndpoints = std::to_array<Endpoint>(
    {{klaviyo::kSinglePath, "an event, with the profile of its customer", "to report it at once"},
     {klaviyo::kBulkPath, "the same, up to 1000 events", "to report a backlog and history"},
     {klaviyo::kProfilePath, "a profile, of `identify()`", "to set its fields"},
     {klaviyo::kSubscribePath,
      "`email`, `phone_number`, channel, list, time and source of a consent",
      "to pass on consent to marketing"},
     {klaviyo::kUnsubscribePath, "`email`, `phone_number`, channel, list", "to pass on its end"},
     {"/api/data-privacy-deletion-jobs", "`email`, `phone_number` or the id at Klaviyo",
      "`postbox forget --at-klaviyo`: to have the profile deleted"},
     {"/api/profiles`, `/api/events`, `/api/metrics`, `/api/accounts",
      "in the query: an e-mail address, a phone number or the shop's own id (`postbox forget` "
      "alone); days",
      "what commands of `postbox` read"}});

struct Reason {
  std::string_view name;  // of a property, or what stands before the dot
  std::string_view personal;
  std::string_view why;
};

// Of the fields of a profile and the properties that are not known to be plain.
constexpr auto kReasons = std::to_array<Reason>({
    {"email", "yes", "says whose event it is, and is where mails go"},
    {"phone_number", "yes", "says whose event it is, and is where text messages go"},
    {"external_id", "yes", "says whose event it is, to a shop that asks by its own id"},
    {"anonymous_id", "yes", "says which visitor it is, before anybody knows the address"},
    {"_kx", "yes", "says which known visitor it is"},
    {"first_name", "yes", "to address somebody in a mail"},
    {"last_name", "yes", "to address somebody in a mail"},
    {"organization", "yes", "for segments"},
    {"title", "yes", "for segments"},
    {"image", "yes", "to show in the account"},
    {"locale", "yes", "for the language of a mail"},
    {"location", "yes", "for segments, and for the time at which a mail is sent"},
    {"UserId", "yes", "finds the customer in the shop"},
    {"BillingAddress", "yes", "for mails that show the order, and for segments"},
    {"ShippingAddress", "yes", "for mails that show the order, and for segments"},
    {"TrackingNumber", "yes", "for the mail that says that it is on its way"},
    {"TrackingURL", "yes", "for the mail that says that it is on its way"},
    {"CheckoutURL", "can be", "leads back to the checkout, by an address that the shop makes"},
    {"RecoveryURL", "no", "leads back to the cart: its token names the cart, and nobody"},
    {"DiscountCode", "can be", "for mails and segments; a code may be somebody's own"},
    {"Reason", "can be", "for segments"},
    {"Feedback", "can be", "for segments"},
    {"Items", "no", "for mails that show the lines"},
    {"ProductURL", "no", "for mails that show the product"},
    {"ImageURL", "no", "for mails that show the product"},
    {"AddedItemURL", "no", "for mails that show the product"},
    {"AddedItemImageURL", "no", "for mails that show the product"},
    {"URL", "no", "for mails that show the product"},
});

struct Purpose {
  std::string_view family;
  std::string_view why;
};

constexpr auto kPurposes = std::to_array<Purpose>(
    {{"purchase", "Revenue, what somebody has bought, and mails about an order."},
     {"subscription", "Who is a subscriber, and mails about a subscription and its payments."},
     {"cart", "Mails about a cart that was left, and what somebody has looked at."}});

std::string code(std::string_view text) { return "`" + std::string(text) + "`"; }

const Reason* find_reason(std::string_view name) {
  const std::string_view first = name.substr(0, name.find_first_of(".["));
  const auto found = std::ranges::find(kReasons, first, &Reason::name);
  return found == kReasons.end() ? nullptr : &*found;
}

std::string_view leaf_of(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? name : name.substr(dot + 1);
}

// A property that nobody has said anything of counts as personal.
std::string personal_of(std::string_view name) {
  if (cli::is_plain_property(leaf_of(name))) return "no";
  const Reason* reason = find_reason(name.starts_with("Items[]") ? leaf_of(name) : name);
  return std::string(reason == nullptr ? "taken as such" : reason->personal);
}

std::string why_of(std::string_view name) {
  const Reason* reason = find_reason(name.starts_with("Items[]") ? leaf_of(name) : name);
  return reason == nullptr || cli::is_plain_property(leaf_of(name)) ? std::string()
                                                                    : std::string(reason->why);
}

std::string endpoints() {
  std::string text =
      "\n## Where it goes\n\n| endpoint at Klaviyo | carries | why |\n|---|---|---|\n";
  for (const Endpoint& endpoint : kEndpoints) {
    text += "| " + code(endpoint.path) + " | " + std::string(endpoint.carries) + " | " +
            std::string(endpoint.purpose) + " |\n";
  }
  return text +
         "\nEach request has the key, in a header. Stripe's API is asked for events and their "
         "objects by their ids alone\n(`STRIPE_API_KEY`, reading; "
         "[stripe.md](stripe.md#thin-events)"
         "), and gets nothing else.\n";
}

void add_profile_rows(const ObjectDescription& fields, const std::string& above,
                      std::string& text) {
  for (const FieldDescription& field : fields) {
    const std::string name = above + std::string(field.name);
    const bool is_object = !field.value.members.empty();
    if (is_object) {
      add_profile_rows(field.value.members, name + ".", text);
      continue;
    }
    text += "| " + code(name) + " | " + code(above + std::string(field.path)) + " | " +
            personal_of(name) + " | " + std::string(field.description) + " | " + why_of(name) +
            " |\n";
  }
}

std::string profile() {
  std::string text =
      "\n## The profile of a customer\n\nWith every event, and alone by `identify()`. One "
      "identifier is needed, and nothing else.\n\n| field at Klaviyo | set by | personal | is | "
      "why "
      "|\n|---|---|---|---|---|\n";
  add_profile_rows(describe<klaviyo::Profile>(), "", text);
  return text +
         "| names of the shop's own | `properties` | taken as such | What the shop adds. | the "
         "shop's own |\n";
}

std::string joined(const std::vector<std::string_view>& texts) {
  std::string all;
  for (const std::string_view text : texts) all += (all.empty() ? "" : ", ") + std::string(text);
  return all;
}

// A property with the metrics that have it.
struct Row {
  std::string name;
  std::string_view description;
  std::vector<std::string_view> metrics;
};

void collect(const ObjectDescription& fields, const std::string& above, std::string_view metric,
             std::vector<Row>& rows) {
  for (const FieldDescription& field : fields) {
    const std::string name = above + std::string(field.name);
    const bool is_list = field.value.type == JsonType::kArray;
    if (!field.value.members.empty()) {
      collect(field.value.members, name + (is_list ? "[]." : "."), metric, rows);
      continue;
    }
    auto row = std::ranges::find_if(rows, [&](const Row& other) {
      return other.name == name && other.description == field.description;
    });
    if (row == rows.end()) row = rows.insert(rows.end(), Row{name, field.description, {}});
    row->metrics.push_back(metric);
  }
}

// "all", "all but Ordered Product", or their names.
std::string metrics_of(const Row& row, const std::vector<std::string_view>& all) {
  if (row.metrics.size() == all.size()) return "all";
  std::vector<std::string_view> others;
  std::ranges::copy_if(all, std::back_inserter(others), [&row](std::string_view metric) {
    return std::ranges::find(row.metrics, metric) == row.metrics.end();
  });
  return others.size() < row.metrics.size() ? "all but " + joined(others) : joined(row.metrics);
}

std::string family(const Family& family, std::string_view why) {
  std::vector<Row> rows;
  std::vector<std::string_view> metrics;
  std::string links;
  for (const klaviyo::EventType& type : klaviyo::every_event_type()) {
    if (type.family != &family) continue;
    metrics.push_back(type.metric);
    links += (links.empty() ? "[" : ",\n[") + std::string(type.metric) + "](events/" +
             cli::file_of(type) + ")";
    collect(type.properties, "", type.metric, rows);
  }
  std::string text = "\n## Events of the family `" + std::string(family.name) + "`\n\n" +
                     std::string(why) + (why.empty() ? "" : " ") +
                     "Flag: " + code(family.variable) + ".\nMetrics: " + links +
                     ".\n\n| property | of | personal | is | why |\n|---|---|---|---|---|\n";
  for (const Row& row : rows) {
    text += "| " + code(row.name) + " | " + metrics_of(row, metrics) + " | " +
            personal_of(row.name) + " | " + std::string(row.description) + " | " +
            why_of(row.name) + " |\n";
  }
  return text;
}

std::string families() {
  std::string text;
  std::vector<const Family*> done;
  for (const klaviyo::EventType& type : klaviyo::every_event_type()) {
    if (std::ranges::find(done, type.family) != done.end()) continue;
    done.push_back(type.family);
    const auto purpose = std::ranges::find(kPurposes, type.family->name, &Purpose::family);
    text += family(*type.family, purpose == kPurposes.end() ? std::string_view() : purpose->why);
  }
  return text +
         "\nBeside its properties each event has the name of its metric, `time`, `unique_id` (made "
         "of the shop's own ids), the\nmark `backfill`, and some have `value` and "
         "`value_currency`. "
         "Properties of the shop's own (`properties`, `custom_event()`,\n`TypedEvent`) are sent as "
         "they are, and taken as personal by every command of `postbox`.\n";
}

std::string waits() {
  const klaviyo::Config shop;
  const stripe::Config webhooks;
  const auto words = [](std::chrono::milliseconds time) { return cli::in_words(time); };
  return R"(
## Where it waits, and how long

| place | holds | until | set by |
|---|---|---|---|
| memory | an event, from `track()` to its commit | some milliseconds; while the disk is full, up to the cap | `POSTBOX_MAX_MEMORY` |
| the outbox's file: events that wait | the request's part of the event, profile included | it is delivered: the row is deleted then, and its place in the file used again; or it becomes a dead letter )" +
         words(shop.engine.give_up_after) +
         R"( after its first attempt | `POSTBOX_GIVE_UP_AFTER` |
| … events that are held | the same, while their family is off | it is on again, or somebody removes them: `postbox held purge` | the flags |
| … waiting for a key or a scope | the same | there is one; nothing is given up for want of a key | `KLAVIYO_API_KEY` |
| … dead letters | the same, and the reason with addresses masked | )" +
         words(shop.engine.retention) +
         R"( after it died, or `postbox dead purge` | `POSTBOX_RETENTION` |
| … timers of carts | the reminder that a cart may become | the cart is bought, or it becomes an event )" +
         words(shop.cart_abandoned_after) +
         R"( after the last update | `KLAVIYO_CART_ABANDONED_AFTER` |
| … ends of carts | hashes of identifiers, no event | 24 hours | none |
| … kept texts | settings with secrets masked, the secret of recovery links | the newest 16 KiB; the secret stays | `KLAVIYO_RECOVERY_SECRET` |
| the file of `POSTBOX_SPILL` | events that were accepted while the database was away, as they would lie there | the database has them | `POSTBOX_SPILL` |
| Stripe's store (`…-stripe`, or `postbox_stripe_…` in a database): facts | the e-mail address by `cus_…`, orders by payment | )" +
         words(webhooks.remember_for) +
         R"( after a webhook last told them; an address that was replaced or removed, 4 days; who has completed a Checkout, 35 days | `stripe::Config::remember_for` |
| … decisions | whose event it was (an address or Stripe's id), by event | )" +
         words(webhooks.remember_for) + R"( | `stripe::Config::remember_for` |
| … waiting webhooks | the whole body | the address is known, at most )" +
         words(webhooks.patience) +
         R"(; a thin event, until it was fetched, at most 30 days | `stripe::Config::patience` |
| the log, `GET /metrics`, errors | names of metrics, ids of events and carts without what looks like an address, counts | as long as the shop keeps them. Never a profile, an address, a number, a payload or a key | `POSTBOX_LOG_LEVEL` |
| `on_undeliverable` | type, id and reason | the shop's own | the callback |
| `postbox_told`, where other languages tell events by SQL | the JSON as it was told, in plain | a sender takes it in, within seconds; what was refused, 30 days | none |
| files moved aside (`.damaged-…`, `.removed-…`), `postbox backup`, rejected rows | what the file held | somebody deletes them; `postbox forget` names those beside the outbox | none |

Files have mode 0600. With `POSTBOX_ENCRYPTION_KEY` payloads, timers, kept texts and what Stripe told lie encrypted
([operations.md](operations.md#encrypted-at-rest)). `postbox forget` removes one person from all of these but the last
two rows, and with `--at-klaviyo` from Klaviyo ([commands.md](commands.md)).
)";
}

}  // namespace

std::string data_flow_page() {
  return std::string(kHead) + endpoints() + profile() + families() + waits();
}

}  // namespace postbox
