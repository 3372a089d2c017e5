// The parts of a tracker beside its configuration: what an integration brings, and parts that
// a program may bring in place of the usual ones.
//
// Place:     arguments of Tracker::start().
// Threads:   plain values; what they point to says it itself.
// Lifetime:  kept by the tracker.
// Failure:   none.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <postbox/clock.hpp>
#include <postbox/config.hpp>
#include <postbox/destination.hpp>
#include <postbox/event.hpp>
#include <postbox/flags.hpp>
#include <postbox/http_client.hpp>
#include <postbox/log.hpp>
#include <postbox/outbox.hpp>
#include <postbox/rate_gate.hpp>
#include <postbox/result.hpp>

namespace postbox {

// The settings that an integration reads again when the operator asks for it.
struct Reloaded {
  std::vector<std::pair<QueueId, Flag>> flags;
  LogLevel log_level = LogLevel::kInfo;
  std::vector<std::string> changes;  // "NAME old -> new", secrets masked; logged one by one
  // The same for what is set otherwise than at the start and cannot be applied without one.
  std::vector<std::string> needs_restart{};
  std::vector<std::string> warnings{};  // what else there is to say of the settings
  // Names and texts that the outbox is to keep from now on, see Outbox::exchange(). A line says
  // when it cannot.
  std::vector<std::pair<std::string, std::string>> kept{};
  // The same for kept lists: names, and the lines to put behind what is there.
  std::vector<std::pair<std::string, std::string>> kept_lines{};
};

// Integration is everything about a vendor that the engine does not know by itself.
struct Integration {
  std::shared_ptr<Destination> destination{};  // required

  // The flags at the start. A family that is not named is off.
  std::vector<std::pair<QueueId, Flag>> flags{};

  // Other names for types of events; see EventBatch::name_of().
  TypeNames type_names{};

  // Types of events, by the names that are sent, that are not kept although their family is on.
  // They count as disabled; what they say of others, such as that an order ends carts, counts all
  // the same. Events that wait already are sent.
  std::vector<std::string> disabled_types{};

  // Settings that the integration's events look up when they are encoded; see
  // EventBatch::context(). Read from several threads at once.
  std::shared_ptr<const EventContext> context{};

  // Called with the events of each call of track() before they are stored, on its thread, when they
  // keep their rules: it may change their payloads, and reject them. Unset: they are stored as they
  // are. What it throws rejects them.
  std::function<void(EventBatch&)> before_store{};

  // Read the settings again and make the destination use them. Called by Tracker::reload(), by one
  // thread at a time. Unset: reload() fails.
  std::function<Result<Reloaded>()> reload{};

  // The line that reports a changed setting begins with this. "Klaviyo configuration changed".
  std::string change_prefix = "configuration changed";

  // The line that reports a failure of the engine itself begins with this.
  std::string failure_prefix = "worker queue error";
};

// Parts of a program's own. Unset ones are made from the configuration.
struct Services {
  std::shared_ptr<Outbox> outbox{};
  std::shared_ptr<HttpClient> http{};
  std::shared_ptr<Clock> clock{};
  std::shared_ptr<Random> random{};

  // The gates that keep each lane inside the vendor's limits. Unset: Outbox::rate_gate(), or one
  // that takes this server to be the only one of ours.
  NewRateGate rate_gate{};

  // False: no threads; the owner calls Tracker::run_once(). For tests and simulations.
  bool threads = true;
};

// One of several accounts that one engine serves; see Tracker::start_all().
struct Account {
  ValidConfig config;
  Integration integration;
};

}  // namespace postbox
