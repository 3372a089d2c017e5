// Draft is the mapping of one body under construction, with what the mappings of all kinds of
// objects share.
//
// Place:     inside the integration: made by to_events(), filled by the functions at the end.
// Threads:   one thread.
// Lifetime:  must not outlive its Body.
// Failure:   BadBody, which to_events() makes an Error.
#pragma once

#include <initializer_list>
#include <klaviyo/schemas/profile.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <stripe/body.hpp>
#include <stripe/events.hpp>
#include <stripe/money.hpp>
#include <utility>
#include <vector>

namespace stripe {

// Whose event it is, as far as the body says.
struct Payer {
  std::string_view email{};
  std::string_view customer{};
  std::string_view fallback{};  // tells guests apart: the payment's id
};

// The keys of an order in its events.
struct OrderKey {
  std::string id;
  std::string unique_id;
};

// The amount that a Placed Order was, or would be, reported with.
struct Placed {
  std::int64_t count = 0;  // in Stripe's minor units
  std::string currency;    // as Stripe writes it
};

class Draft {
 public:
  Draft(Node event, Node object, const MappingOptions& options);

  [[nodiscard]] Node object() const noexcept { return object_; }
  [[nodiscard]] Node previous() const noexcept { return previous_; }
  [[nodiscard]] postbox::WallTime created() const noexcept { return mapping_.created; }
  [[nodiscard]] const std::string& event_id() const noexcept { return mapping_.event_id; }

  // A member of the object; messages name it `data.object.<name>`.
  [[nodiscard]] std::string_view need_id() const { return object_["id"].need_id(path("id")); }
  [[nodiscard]] klaviyo::Currency need_currency() const;
  [[nodiscard]] klaviyo::MinorUnits need_amount(std::string_view name,
                                                const klaviyo::Currency& currency) const;

  // An amount that an event can do without.
  [[nodiscard]] static std::optional<klaviyo::MinorUnits> amount(Node node,
                                                                 const klaviyo::Currency& currency);

  // "stripe:<account>:<first>:<second>…"
  template <class... Parts>
  [[nodiscard]] std::string unique_id(const Parts&... parts) const {
    std::string id = "stripe:" + account_;
    std::string_view separator;
    ((id.append(separator).append(parts), separator = ":"), ...);
    return id;
  }

  // "<kind>:<account>:<id>", of a fact or a decision.
  [[nodiscard]] std::string key(std::string_view kind, std::string_view id) const;

  // The customer that the object belongs to: `customer`, or the newer `customer_account`.
  [[nodiscard]] std::string_view customer() const noexcept;

  // The customer's profile for the event with this key. A fact that would make a better one is
  // recorded as missing.
  [[nodiscard]] klaviyo::Profile profile(const Payer& payer, const std::string& unique_id);

  [[nodiscard]] std::optional<std::string> find_fact(const std::string& key) const;
  [[nodiscard]] std::optional<std::string> find_decision(const std::string& key) const;

  // The decision that an earlier report made under this key; otherwise what `propose` returns.
  template <class Propose>
  [[nodiscard]] std::string decide(std::string key, Propose propose) {
    auto value = find_decision(key);
    if (value) return *std::move(value);
    std::string proposal = propose();
    mapping_.decisions.push_back({std::move(key), proposal});
    return proposal;
  }

  // The order that one of the payments and invoices belongs to, according to earlier bodies;
  // nothing when none has named it.
  [[nodiscard]] std::optional<std::string> find_order(
      std::initializer_list<std::string_view> payments) const;

  // The same; otherwise the first of the ids itself, which is then recorded as missing.
  [[nodiscard]] std::string order_of(std::initializer_list<std::string_view> payments);

  // The order that all of the aliases (in_…, pi_…) stand for from now on: the decision of an
  // earlier report for one of them, otherwise `proposal`.
  [[nodiscard]] std::string decide_order(const std::vector<std::string_view>& aliases,
                                         const std::string& proposal);

  // The shop's own key of the order, if the object has one that belongs to no other payment;
  // otherwise empty. `owner` is the payment.
  [[nodiscard]] std::string reference(std::string_view owner);

  // The keys of the order that order_of() and decide_order() have named.
  [[nodiscard]] OrderKey order_key(const std::string& order) const;

  // The amount that the order was reported with; nothing when it was not reported.
  [[nodiscard]] std::optional<Placed> find_placed(const OrderKey& order) const;

  // The amount that the order has from now on: an earlier decision, otherwise `proposal`.
  [[nodiscard]] Placed decide_placed(const OrderKey& order, const Placed& proposal);

  // The position of `value`, from 1, in a list that only grows; appends it when it is not there.
  [[nodiscard]] std::size_t position_in(const std::string& list, const std::string& value);
  [[nodiscard]] std::size_t size_of(const std::string& list) const;

  // Record that the owner of this address or id has bought; and whether they have since `time`.
  void record_purchase(std::string_view buyer);
  [[nodiscard]] bool has_bought_since(std::string_view buyer, postbox::WallTime time) const;

  // Record a fact that other bodies wait for, look for it, or let this body wait for it.
  void record_fact(std::string_view kind, std::string_view id) { record_fact(kind, id, "yes"); }
  void record_fact(std::string_view kind, std::string_view id, std::string value);
  [[nodiscard]] bool has_fact(std::string_view kind, std::string_view id) const;
  void await_fact(std::string_view kind, std::string_view id);

  // The address, from `as_of` on, of the customer that the object belongs to. An address that
  // cannot be used is not recorded.
  void record_email(std::string_view email, postbox::WallTime as_of);
  void record_email(std::string_view email) { record_email(email, created()); }
  void record_email_of(std::string_view customer, std::string_view email, postbox::WallTime as_of);
  void record_email_removal_of(std::string_view customer, postbox::WallTime as_of);
  void record_order(std::string_view payment, std::string_view order);

  // A payment of an invoice: from now on each leads to the other.
  void record_payment(std::string_view payment, std::string_view invoice);

  // Does nothing when the report is switched off.
  void add_event(Report report, Event event);
  void switch_off() noexcept { is_switched_off_ = true; }
  [[nodiscard]] bool reports(Report report) const noexcept { return options_.reports.has(report); }

  // The buyer's carts are no longer abandoned.
  void end_carts(klaviyo::CartCompletion completion) {
    mapping_.completions.push_back(std::move(completion));
  }

  [[nodiscard]] static std::string path(std::string_view name) {
    return "data.object." + std::string(name);
  }

  [[nodiscard]] Mapping finish() &&;

 private:
  [[nodiscard]] std::string identifier_of(const Payer& payer);

  std::string account_;  // "acct_…:" or nothing
  Node object_;
  Node previous_;
  const MappingOptions& options_;
  Mapping mapping_;
  bool is_switched_off_ = false;
};

// The address as Klaviyo writes it; empty when Klaviyo refuses it or drops its events.
[[nodiscard]] std::string usable_email(std::string_view email);

// The Unix second, as a unique_id has it.
[[nodiscard]] std::string second_of(postbox::WallTime time);

// The mapping of each kind of object. `what` is the type behind the kind: "paid" of
// "invoice.paid".
void map_session(std::string_view what, Draft& draft);
void map_invoice(std::string_view what, Draft& draft);
void map_invoice_payment(std::string_view what, Draft& draft);
void map_charge(std::string_view what, Draft& draft);
void map_dispute(std::string_view what, Draft& draft);
void map_refund(std::string_view what, Draft& draft);
void map_payment_intent(std::string_view what, Draft& draft);
void map_subscription(std::string_view what, Draft& draft);
void map_customer(std::string_view what, Draft& draft);

}  // namespace stripe
