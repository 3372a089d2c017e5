// Webhook takes what Stripe sends and tracks it, so that a route has only to pass on the status.
//
// Place:     between the app's route and the tracker.
// Threads:   handle() may be called from any thread, at the same time; run_once() from one.
// Lifetime:  movable, not copyable; one that was moved from answers 503. The tracker must outlive
//            it. fork() at any time: the first call in the child starts a webhook of the child's
//            own with the same settings and the same file; if the child's tracker is closed, every
//            delivery is answered with 503.
// Failure:   nothing throws. Every answer but 2xx makes Stripe deliver again, for up to three days.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <postbox/result.hpp>
#include <postbox/tracker.hpp>
#include <string>
#include <string_view>
#include <stripe/answer.hpp>
#include <stripe/config.hpp>

namespace stripe {

class Webhook {
 public:
  // Fails with kInvalidConfig. Without a secret it starts and answers 503: an app must run on
  // machines that have none.
  [[nodiscard]] static postbox::Result<Webhook> start(Config config, postbox::Tracker& tracker);

  // The same, passing on the error of Config::from_env().
  [[nodiscard]] static postbox::Result<Webhook> start(postbox::Result<Config> config,
                                                      postbox::Tracker& tracker);

  Webhook(Webhook&&) noexcept;
  Webhook& operator=(Webhook&&) noexcept;
  ~Webhook();

  // Verify, map and track one delivery: `body` as it came, `signature` the Stripe-Signature header,
  // empty when there is none. Takes as long as the commit of the events.
  [[nodiscard]] Answer handle(std::string_view body, std::string_view signature);

  // Ask the resolver for the addresses that bodies wait for, and Stripe for thin events; track the
  // bodies that are complete and those whose time has come. Returns when to call it again. Takes as
  // long as the resolver, or three requests to Stripe of 15 s each. Only for Config::threads =
  // false.
  std::optional<postbox::WallTime> run_once();

  // Read the settings again where Config::from_env() has read them, and apply those that need no
  // restart at once: a secret can be rolled. Tracker::reload() does not call it. Fails with
  // kInvalidConfig and changes nothing when a value does not parse, or when the file that was there
  // before is missing, empty or cannot be read whole.
  [[nodiscard]] postbox::Result<void> reload();

  [[nodiscard]] Counts counts() const;

  // The number of deliveries to this process of each type that is not handled: the endpoint need
  // not be subscribed to them. Beyond a hundred types they are "other".
  [[nodiscard]] std::map<std::string, std::uint64_t> unhandled() const;

  // Remove an address, and waiting bodies that contain it, from the fact store: its owner has asked
  // to be forgotten. klaviyo::forget() removes events. Returns the number of removed facts,
  // decisions and bodies. Fails as the FactStore does.
  [[nodiscard]] postbox::Result<std::size_t> forget(std::string_view email);

 private:
  struct Impl;
  struct Detach {
    void operator()(Impl* impl) const noexcept;
  };
  explicit Webhook(Impl* impl);
  [[nodiscard]] Impl* in_this_process() const noexcept;  // null: it cannot be used

  std::unique_ptr<Impl, Detach> impl_;
};

}  // namespace stripe
