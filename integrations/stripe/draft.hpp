// Draft is the mapping of one body while it is being made: what the objects' mappings have in
// common.
//
// Place:     inside the integration: made by to_events(), filled by the functions at the end.
// Threads:   one thread.
// Lifetime:  must not outlive its Body.
// Failure:   BadBody, which to_events() makes an Error.
#pragma once

#include <klaviyo/schemas/profile.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <stripe/body.hpp>
#include <stripe/events.hpp>
#include <stripe/money.hpp>
#include <utility>

namespace stripe {

// Whose event it is, as far as the body says.
struct Payer {
  std::string_view email{};
  std::string_view customer{};
  std::string_view fallback{};  // what else tells guests apart: the payment's id
};

class Draft {
 public:
  Draft(Node event, Node object, const Lookup& lookup);

  [[nodiscard]] Node object() const noexcept { return object_; }
  [[nodiscard]] Node previous() const noexcept { return previous_; }
  [[nodiscard]] postbox::WallTime created() const noexcept { return mapping_.created; }
  [[nodiscard]] const std::string& event_id() const noexcept { return mapping_.event_id; }

  // The object's member; `data.object.<name>` in messages.
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

  // The customer that the object belongs to, of whichever generation.
  [[nodiscard]] std::string_view customer() const noexcept;

  // The customer's profile for the event with this key. Notes what is missing for a better one.
  [[nodiscard]] klaviyo::Profile profile(const Payer& payer, const std::string& unique_id);

  // The id of the order that `payment` has paid, as an earlier body said; else `payment` itself.
  [[nodiscard]] std::string order_of(std::string_view payment);

  void learn_email(std::string_view customer, std::string_view email);
  void learn_order(std::string_view payment, std::string_view order);
  void forget_email(std::string_view customer);

  void add(Event event) { mapping_.events.push_back(std::move(event)); }

  [[nodiscard]] static std::string path(std::string_view name) {
    return "data.object." + std::string(name);
  }

  [[nodiscard]] Mapping finish() &&;

 private:
  [[nodiscard]] klaviyo::Profile find_profile(const Payer& payer);
  [[nodiscard]] std::string key(std::string_view kind, std::string_view id) const;
  [[nodiscard]] std::optional<std::string> known(const std::string& key) const;

  std::string account_;  // "acct_…:" or nothing
  Node object_;
  Node previous_;
  const Lookup& lookup_;
  Mapping mapping_;
};

// Append the Unix second, as in a unique_id.
[[nodiscard]] std::string second_of(postbox::WallTime time);

// What becomes of each kind of object. `what` is the type behind the kind: "paid" of
// "invoice.paid".
void map_session(std::string_view what, Draft& draft);
void map_invoice(std::string_view what, Draft& draft);
void map_invoice_payment(std::string_view what, Draft& draft);
void map_charge(std::string_view what, Draft& draft);
void map_subscription(std::string_view what, Draft& draft);
void map_customer(std::string_view what, Draft& draft);

}  // namespace stripe
