// to_events() turns what Stripe reports into events of the Klaviyo integration.
//
// Place:     called by Webhook::handle() once the body is known to be Stripe's.
// Threads:   pure functions; the lookups are called on the caller's thread.
// Lifetime:  the events own what they say.
// Failure:   kInvalidArgument names the member that is missing or unusable, without its value.
//
// The mapping has no state: an event follows from one body, so that order and repetition do not
// matter. Its unique_id is made of the ids of Stripe's objects, not of the delivery: one purchase
// that Stripe reports several times, in webhooks of different types, is one event. A FactLookup may
// know from other bodies what one body lacks.
#pragma once

#include <functional>
#include <klaviyo/klaviyo.hpp>
#include <optional>
#include <postbox/clock.hpp>
#include <postbox/event.hpp>
#include <postbox/result.hpp>
#include <string>
#include <string_view>
#include <stripe/reports.hpp>
#include <variant>
#include <vector>

namespace stripe {

// Placed Order alone, without an Ordered Product for each line: the lines of an invoice are parts
// of periods and credits, and do not add up to the amount paid.
class OrderPlaced {
 public:
  explicit OrderPlaced(klaviyo::Order order) : order_(std::move(order)) {}

  [[nodiscard]] const postbox::Family& family() const noexcept { return order_.family(); }
  [[nodiscard]] postbox::Key profile_key() const { return order_.profile_key(); }
  [[nodiscard]] std::size_t size() const noexcept { return 1; }
  void encode(postbox::EventBatch& batch) const;
  void encode_disabled(postbox::EventBatch& batch) const { order_.encode_disabled(batch); }

  [[nodiscard]] const klaviyo::Order& order() const noexcept { return order_.order(); }

 private:
  klaviyo::PurchaseEvents order_;
};

using Event = std::variant<OrderPlaced, klaviyo::OrderEvent, klaviyo::SubscriptionEvent,
                           klaviyo::PaymentEvent, klaviyo::CartEvent>;

// A Fact is something that one body says and another one lacks, under one of these keys:
//
//   customer:<cus_…>     the customer's e-mail address; empty once it was removed
//   order:<pi_… or ch_…> the id of the order that was paid: in_…, pi_… itself, or the shop's own
//                        key behind an equals sign
//   bought:<whose>       the Unix second in which an address or a customer has completed a Checkout
//   fresh:<sub_…>        the subscription has not been active yet
//   trial:<sub_…>        the Unix second in which its trial ends
//   payment:<in_…>       the payment of an invoice
//   refunded:<ch_…>      money of the charge was given back
//   dispute:<du_…>       a bank has taken the money
//
// A Connect account's keys have acct_…: before the id.
struct Fact {
  std::string key;
  std::string value;
  postbox::WallTime as_of{};  // the time from which it holds
};

// A fact's key as its kind, with the account, and whose it is where that may be an address: nothing
// but for bought:<whose>.
struct SplitKey {
  std::string_view kind;
  std::string_view address;
};
[[nodiscard]] SplitKey split_address(std::string_view key) noexcept;

// A Decision is what an event was made with. The event must keep it when it is reported again, even
// if more is known by then: otherwise it would be another event. Keys:
//
//   profile:<unique_id>        whose event it is: an e-mail address or an external id
//   refund:<ch_…>:<in all>     the order that the refund is of
//   order:<pi_… or in_…>       the order that it stands for, as the fact of that key
//   reference:<the shop's key> the payment that has it
//   placed:<unique_id>         the amount and the currency that the order is reported with
//   whole:<unique_id>:<n>      what has given back a part of the order, or the rest of it
//   started:<sub_…>            the Unix second in which it was active for the first time
//   disputed:<du_…>            the order that the dispute is of
//   failure:<re_…>             the order that the failed refund was of
//   failed:<ch_…>:<n>          a refund that failed
//   turn:<evt_…>               the number of refunds of the charge that had failed before
struct Decision {
  std::string key;
  std::string value;
};

// Returns the value of a fact at a time, or nothing.
using FactLookup =
    std::function<std::optional<std::string>(std::string_view key, postbox::WallTime at)>;

// Returns the value of a decision, or nothing when it was not made yet.
using DecisionLookup = std::function<std::optional<std::string>(std::string_view key)>;

struct MappingOptions {
  bool test_mode = false;  // also map what has livemode: false
  Reports reports = kDefaultReports;
  FactLookup find_fact{};          // defaults to none: only what the body says is known
  DecisionLookup find_decision{};  // defaults to none
};

struct Mapping {
  std::string event_id;         // evt_…
  std::string type;             // "invoice.paid"
  postbox::WallTime created{};  // when it happened, as far as it was read

  std::vector<Event> events;
  std::string ignored;  // the reason for no events: "no mapping", "test mode", "thin event"

  // No version of this program makes anything of the type.
  bool is_unhandled = false;

  // A thin event (v2.core.event) of a handled type: it has ids in place of the object.
  bool is_thin = false;

  // The buyers whose carts end. They end at once, even if the body waits.
  std::vector<klaviyo::CartCompletion> completions;

  std::vector<Fact> facts;  // what the body says

  // To be stored before the events are tracked. When another delivery has decided otherwise in the
  // meantime, the body must be mapped again.
  std::vector<Decision> decisions;

  // The keys of facts that would make better events: with the customer's address in place of
  // Stripe's id, or with the order that was refunded.
  std::vector<std::string> missing;
};

// Whether webhooks of the type become events or bring facts.
[[nodiscard]] bool is_handled(std::string_view type) noexcept;

[[nodiscard]] postbox::Result<Mapping> to_events(std::string_view body,
                                                 const MappingOptions& options = {});

}  // namespace stripe
