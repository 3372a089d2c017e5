// cart_updated() and its like turn a Cart and what happened to it into what Tracker::track() takes.
//
// Place:     the cart family; between a route and the tracker.
// Threads:   a plain value; const members may be called from several threads at once.
// Lifetime:  owns the cart.
// Failure:   none here: track() rejects with every violation.
#pragma once

#include <klaviyo/families.hpp>
#include <klaviyo/schemas/cart.hpp>
#include <vector>

namespace klaviyo {

struct Settled;

class CartEvent {
 public:
  CartEvent(Cart cart, CartDetails details);

  [[nodiscard]] const postbox::Family& family() const noexcept { return kCart; }
  [[nodiscard]] postbox::Key profile_key() const { return klaviyo::profile_key(cart_.customer); }
  // The same as the batch's tracker knows it: by its default country.
  [[nodiscard]] postbox::Key profile_key(const postbox::EventBatch& batch) const;
  [[nodiscard]] std::size_t size() const noexcept { return 1; }
  void encode(postbox::EventBatch& batch) const;
  // While the family is off: that the cart was emptied, or its abandonment reported.
  void encode_disabled(postbox::EventBatch& batch) const;

  [[nodiscard]] const Cart& cart() const noexcept { return cart_; }
  [[nodiscard]] const CartDetails& details() const noexcept { return details_; }

 private:
  friend struct Settled;
  static constexpr bool kIsProfile = false;

  void encode_settled(postbox::EventBatch& batch) const;
  [[nodiscard]] const Profile& customer() const noexcept { return cart_.customer; }
  [[nodiscard]] Profile& customer() noexcept { return cart_.customer; }

  Cart cart_;
  CartDetails details_;
  std::vector<postbox::Violation> changes_;  // of the identifiers, by normalize()
};

// Somebody has bought what Tracker::track() gets no event of: a checkout that a payment provider
// reports as completed and not yet paid. Like an order it ends the clocks of the cart and of the
// customer's others; it makes no event, and counts as none.
class CartCompletion {
 public:
  struct Whose {
    std::string cart_id{};
    std::string user_id{};
    Profile customer{};  // whatever identifiers are known
  };
  // `bought_at` defaults to the time of track().
  explicit CartCompletion(Whose whose, std::optional<postbox::WallTime> bought_at = {});

  [[nodiscard]] const postbox::Family& family() const noexcept { return kCart; }
  [[nodiscard]] postbox::Key profile_key() const { return klaviyo::profile_key(whose_.customer); }
  [[nodiscard]] std::size_t size() const noexcept { return 0; }
  void encode(postbox::EventBatch& batch) const;
  void encode_disabled(postbox::EventBatch& batch) const { encode(batch); }

 private:
  Whose whose_;
  std::optional<postbox::WallTime> bought_at_;
};

// Each of the first three starts the clock of Config::cart_abandoned_after anew: when it has run
// down, the cart becomes an Abandoned Checkout by itself, unless it is emptied or order_placed()
// reports an order of the same cart, user, e-mail address or phone number that is not older.
// Updates within Config::cart_quiet_time become one event, the last.
[[nodiscard]] CartEvent cart_updated(Cart cart);
[[nodiscard]] CartEvent added_to_cart(Cart cart, CartItem added);
[[nodiscard]] CartEvent checkout_started(Cart cart);

// For a shop that finds out itself. Ends the clock of that cart.
[[nodiscard]] CartEvent checkout_abandoned(Cart cart, Abandonment abandonment = {});

}  // namespace klaviyo
